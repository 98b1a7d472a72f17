/* The library that comes with the program, and that no distribution has. */
const char *greeting(void)
{
    return "hello from a library of our own";
}
