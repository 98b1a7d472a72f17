/*
 * aarch64 BTI: on guarded pages (PROT_BTI) an indirect jump to anything but a landing pad gets SIGILL; on
 * others it does not.  PROT_BTI may come and go after the code has run.  PSTATE.BTYPE depends also on the
 * page of the jump itself, and on its register.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define PROT_BTI 0x10

static sigjmp_buf out;
static int bad;

static void on_ill(int sig)
{
    siglongjmp(out, sig);
}

enum {
    NOP = 0xd503201f, BTI = 0xd503241f, BTI_C = 0xd503245f, BTI_J = 0xd503249f, BTI_JC = 0xd50324df,
    PACIASP = 0xd503233f, AUTIASP = 0xd50323bf, RET = 0xd65f03c0,
    BR_X9 = 0xd61f0120, BR_X16 = 0xd61f0200,
};

static unsigned *target, *trampoline;

/* Jumps to the target by BLR, BR X9 or BR X16; the BRs are on the page of the trampoline. */
static int jump(int how)
{
    int sig = sigsetjmp(out, 1);

    if (sig) {
        return sig;
    }
    if (how == 0) {
        __asm__ volatile("blr %0" : : "r"(target) : "x30", "memory");
    } else {
        register void *x9 __asm__("x9") = target;
        register void *x16 __asm__("x16") = target;
        register void *x10 __asm__("x10") = trampoline + (how == 1 ? 0 : 2);

        __asm__ volatile("adr x30, 1f\n\tmov x17, x10\n\tbr x17\n1:"
                         : : "r"(x9), "r"(x16), "r"(x10) : "x17", "x30", "memory");
    }
    return 0;
}

static void expect(const char *what, int guarded, int from_guarded,
                   int blr, int br9, int br16)
{
    int want[3] = { blr, br9, br16 }, how, i, got;

    for (how = 0; how < 3; how++) {
        for (i = 0; i < 4; i++) {
            got = jump(how) == SIGILL;
            if (got != want[how]) {
                printf("%s, %s, target%s guarded, jump%s: %s, not %s\n", what,
                       how == 0 ? "blr" : how == 1 ? "br x9" : "br x16", guarded ? "" : " not",
                       from_guarded ? " from a guarded page" : "", got ? "SIGILL" : "no signal",
                       want[how] ? "SIGILL" : "no signal");
                bad = 1;
                break;
            }
        }
    }
}

static void write_target(unsigned first)
{
    mprotect(target, 4096, PROT_READ | PROT_WRITE);
    target[0] = first;
    target[1] = first == PACIASP ? AUTIASP : NOP;
    target[2] = RET;
    __builtin___clear_cache((char *)target, (char *)(target + 3));
}

int main(void)
{
    static const struct { const char *name; unsigned insn; int blr, br3, br1; } pads[] = {
        /* Does BTYPE 2 (blr), 3 (br from a guarded page), 1 (br x16, or from another page) trap? */
        { "nop", NOP, 1, 1, 1 }, { "bti", BTI, 1, 1, 1 }, { "bti c", BTI_C, 0, 1, 0 },
        { "bti j", BTI_J, 1, 0, 0 }, { "bti jc", BTI_JC, 0, 0, 0 }, { "paciasp", PACIASP, 0, 1, 0 },
    };
    int i, target_guarded, from_guarded, round;
    const int rx = PROT_READ | PROT_EXEC;

    if (!(getauxval(AT_HWCAP2) & 1 << 17)) {
        puts("NOT RUN: no BTI");
        return 0;
    }
    signal(SIGILL, on_ill);
    target = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    trampoline = target + 1024;
    /* The way in must be a landing pad itself. */
    trampoline[0] = BTI_JC;
    trampoline[1] = BR_X9;
    trampoline[2] = BTI_JC;
    trampoline[3] = BR_X16;
    __builtin___clear_cache((char *)trampoline, (char *)(trampoline + 4));

    for (round = 0; round < 2; round++) {
        for (i = 0; i < sizeof pads / sizeof pads[0]; i++) {
            write_target(pads[i].insn);
            for (from_guarded = 0; from_guarded < 2; from_guarded++) {
                if (mprotect(trampoline, 4096, rx | (from_guarded ? PROT_BTI : 0))) {
                    puts("NOT RUN: no PROT_BTI");
                    return 0;
                }
                for (target_guarded = 0; target_guarded < 2; target_guarded++) {
                    mprotect(target, 4096, rx | (target_guarded ? PROT_BTI : 0));
                    expect(pads[i].name, target_guarded, from_guarded, target_guarded && pads[i].blr,
                           target_guarded && (from_guarded ? pads[i].br3 : pads[i].br1),
                           target_guarded && pads[i].br1);
                }
                mprotect(target, 4096, rx);
                expect(pads[i].name, 0, from_guarded, 0, 0, 0);
            }
        }
    }
    puts(bad ? "wrong" : "ok");
    return bad;
}
