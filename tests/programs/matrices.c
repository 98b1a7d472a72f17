/* Products of matrices of doubles. */
#include <stdio.h>
#include <stdlib.h>

enum { N = 64 };
static double a[N][N], b[N][N], c[N][N];

int main(int count, char **arguments)
{
    int turns = count > 1 ? atoi(arguments[1]) : 1;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = (i * 7 + j) % 13 / 3.0, b[i][j] = (i + j * 5) % 11 / 7.0;
    while (turns-- > 0)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
                a[i][j] = sum / 1e3;
            }
    printf("%.17g\n", c[N / 2][N / 3]);
    return 0;
}
