/* SPDX-License-Identifier: MIT */
/*
 * Static probes at the arrows of both walks, provider "userptrd": a no-op
 * instruction each, until a tracer puts a breakpoint there. xen-userptr-tracing(7)
 * lists them; a test compares that list with the program.
 */
#ifndef XU_PROBE_H
#define XU_PROBE_H

#include <sys/sdt.h>

#define PROBE1(name, a) DTRACE_PROBE1(userptrd, name, a)
#define PROBE2(name, a, b) DTRACE_PROBE2(userptrd, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(userptrd, name, a, b, c)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(userptrd, name, a, b, c, d)
#define PROBE5(name, a, b, c, d, e) DTRACE_PROBE5(userptrd, name, a, b, c, d, e)

#endif /* XU_PROBE_H */
