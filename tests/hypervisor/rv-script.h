/* SPDX-License-Identifier: MIT */
#ifndef RV_SCRIPT_H
#define RV_SCRIPT_H

#include "rv-back.h"

/* Run steps in order; ends the process with a message at the first that fails. */
void script_run(int argc, char **argv);

#endif
