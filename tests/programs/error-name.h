// The names of errors, as errno(3) has them.
#include <errno.h>
#include <stdio.h>

static const char *error_name(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        { 0, "0" }, { E2BIG, "E2BIG" }, { EACCES, "EACCES" }, { EADDRINUSE, "EADDRINUSE" },
        { EBADF, "EBADF" }, { EBUSY, "EBUSY" }, { ECONNREFUSED, "ECONNREFUSED" }, { EEXIST, "EEXIST" },
        { EFAULT, "EFAULT" }, { EINVAL, "EINVAL" }, { EISDIR, "EISDIR" }, { ELOOP, "ELOOP" },
        { ENAMETOOLONG, "ENAMETOOLONG" }, { ENODATA, "ENODATA" }, { ENOENT, "ENOENT" }, { ENOMEM, "ENOMEM" },
        { ENOSYS, "ENOSYS" }, { ENOTDIR, "ENOTDIR" }, { ENOTEMPTY, "ENOTEMPTY" }, { ENOTSOCK, "ENOTSOCK" },
        { ENOTTY, "ENOTTY" }, { ENXIO, "ENXIO" }, { EOPNOTSUPP, "EOPNOTSUPP" }, { EPERM, "EPERM" },
        { ERANGE, "ERANGE" }, { EROFS, "EROFS" }, { ETXTBSY, "ETXTBSY" }, { EXDEV, "EXDEV" },
    };
    static char number[16];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].error == error) {
            return names[i].name;
        }
    }
    snprintf(number, sizeof(number), "%d", error);
    return number;
}
