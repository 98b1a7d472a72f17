/* Two versions of one library with the same soname: the second has a mistake of the first corrected. */
#ifndef NEWER
int engine_version(void) { return 1; }
int engine_average(int a, int b) { return (a + b) / 2; } /* overflows */
#else
int engine_version(void) { return 2; }
int engine_average(int a, int b) { return a / 2 + b / 2 + (a % 2 + b % 2) / 2; }
#endif
