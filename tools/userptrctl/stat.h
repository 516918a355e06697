/* SPDX-License-Identifier: MIT */
/* The document of userptrd's status socket. */
#ifndef XU_CTL_STAT_H
#define XU_CTL_STAT_H

#include <json-c/json.h>

#include "ctl.h"

/**
 * stat_devices() - ask for it
 * @document: (out) the caller's to put
 * @devices: (out) its devices, of the domain that the command names, if any
 *
 * Returns an exit code.
 */
int stat_devices(struct ctl *ctl, struct json_object **document,
		 struct json_object **devices);

#endif /* XU_CTL_STAT_H */
