/* SPDX-License-Identifier: MIT */
/* What back-guest writes and back-test expects: PATTERN + page * 512 + word. */
#ifndef BACK_PATTERN_H
#define BACK_PATTERN_H

#define BACK_PATTERN 0x5a5a000000000000ULL

#endif
