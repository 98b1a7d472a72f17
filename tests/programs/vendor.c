/* As programs of a vendor are: a library of its own, a newer one of the system's, a plug-in and data beside it. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *answer(void);
const char *zlibVersion(void);

int main(int count, char **arguments)
{
    char top[PATH_MAX], path[PATH_MAX + 64], data[64] = "";
    ssize_t length = readlink("/proc/self/exe", top, sizeof top - 1);
    top[length < 0 ? 0 : length] = 0;
    for (int up = 0; up < 2; up++)
        if (strrchr(top, '/'))
            *strrchr(top, '/') = 0;
    snprintf(path, sizeof path, "%s/plug-ins/plug.so", top);
    void *plugin = dlopen(path, RTLD_NOW);
    const char *(*plugged)(void) = plugin ? (const char *(*)(void))dlsym(plugin, "answer") : NULL;
    snprintf(path, sizeof path, "%s/share/the data", top);
    FILE *file = fopen(path, "r");
    if (!plugged || !file || !fgets(data, sizeof data, file)) {
        printf("%s: %s\n", path, plugin ? "no data" : dlerror());
        return 1;
    }
    printf("%s, %s, %s, %s, %s\n", answer(), zlibVersion(), plugged(), data, count > 1 ? arguments[1] : "");
    return 0;
}
