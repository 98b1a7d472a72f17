/* To whoever asks for the time, it is noon of the first day. */
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    time->tv_sec = 12 * 60 * 60;
    time->tv_nsec = 0;
    return 0;
}

int timespec_get(struct timespec *time, int base)
{
    return clock_gettime(CLOCK_REALTIME, time) ? 0 : base;
}
