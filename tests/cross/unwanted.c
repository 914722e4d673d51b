/* What no board's program may contain, for tests/cross/check to be seen to find: a heap, floating point, and atomics
   of 64 bits. */
#include <stdlib.h>

static volatile double share = 0.5;
static long long *volatile kept;

int main(int argc, char **argv)
{
    (void)argv;
    kept = malloc(sizeof *kept);
    *kept = 40;
    __atomic_fetch_add(kept, argc, __ATOMIC_SEQ_CST);
    return (int)(share * (double)*kept);
}
