/* SPDX-License-Identifier: MIT */
/* Strict decimal numbers, as xenstore nodes and options hold them. */
#ifndef XU_NUMBER_H
#define XU_NUMBER_H

#include <stdint.h>

/**
 * number_parse() - digits only: no sign, space, prefix or leading zero
 * @untrusted_text: zero-terminated
 * @max: largest value allowed
 *
 * Returns 0, -EINVAL (not such a number) or -ERANGE (above @max); *@value is
 * written on success only.
 */
int number_parse(const char *untrusted_text, uint64_t max, uint64_t *value);

#endif /* XU_NUMBER_H */
