/* Copies the files that it is given to its output; ends with 1 where one cannot be opened. */
#include <stdio.h>

int main(int count, char **arguments)
{
    for (int number = 1; number < count; number++) {
        FILE *file = fopen(arguments[number], "r");
        if (!file) {
            perror(arguments[number]);
            return 1;
        }
        for (int letter; (letter = getc(file)) != EOF;)
            putchar(letter);
        fclose(file);
    }
    return 0;
}
