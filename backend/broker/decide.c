// SPDX-License-Identifier: MIT
/*
 * What the broker does about a device, as a table: our state and the
 * frontend's state give the next action. No side effects.
 *
 * A frontend in Connected while we wait is a remainder of a broker that died:
 * it sees our InitWait, drops the old connection and begins again. A frontend
 * that is still in Initialised has pages that nobody used yet: go on. One that
 * is Closed connects again when it sees InitWait, if its driver is loaded.
 */
#include "broker.h"

static const enum device_action
device_table[DEV_NR_STATES][XB_NR_STATES] = {
	[DEV_NEW] = {
		[XB_UNKNOWN] = ACT_PUBLISH,
		[XB_INITIALISING] = ACT_PUBLISH,
		[XB_INIT_WAIT] = ACT_PUBLISH,
		[XB_INITIALISED] = ACT_PUBLISH,
		[XB_CONNECTED] = ACT_PUBLISH,
		[XB_CLOSING] = ACT_PUBLISH,
		[XB_CLOSED] = ACT_PUBLISH,
	},
	[DEV_WAITING] = {
		[XB_INITIALISED] = ACT_CONNECT,
	},
	[DEV_STARTING] = {
		[XB_UNKNOWN] = ACT_STOP,
		[XB_INITIALISING] = ACT_STOP,
		[XB_INIT_WAIT] = ACT_STOP,
		[XB_CLOSING] = ACT_STOP,
		[XB_CLOSED] = ACT_STOP,
	},
	[DEV_CONNECTED] = {
		[XB_UNKNOWN] = ACT_STOP,
		[XB_INITIALISING] = ACT_STOP,
		[XB_INIT_WAIT] = ACT_STOP,
		[XB_CLOSING] = ACT_STOP,
		[XB_CLOSED] = ACT_STOP,
	},
	[DEV_CLOSED] = {
		[XB_INITIALISING] = ACT_PUBLISH,
		[XB_CLOSED] = ACT_PUBLISH,
	},
};

/*
 * The toolstack takes the device away: the frontend lets go first, because it
 * may still need answers for that; then we close.
 */
static enum device_action device_decide_offline(enum device_state state,
						enum xenbus_state frontend)
{
	bool has_let_go = frontend == XB_UNKNOWN || frontend == XB_CLOSED ||
			  frontend == XB_CLOSING ||
			  frontend == XB_INITIALISING;

	switch (state) {
	case DEV_NEW:
	case DEV_WAITING:
	case DEV_CLOSED:
	case DEV_BROKEN:
		return ACT_CLOSE;
	case DEV_STARTING:
		return ACT_STOP;
	case DEV_CONNECTED:
		return has_let_go ? ACT_STOP : ACT_NONE;
	case DEV_STOPPING:
	case DEV_RESCUING:
	case DEV_NR_STATES:
		break;
	}
	return ACT_NONE;
}

enum device_action device_decide(enum device_state state,
				 enum xenbus_state frontend, bool is_online)
{
	if (state >= DEV_NR_STATES || frontend >= XB_NR_STATES)
		return ACT_NONE;
	if (!is_online)
		return device_decide_offline(state, frontend);
	return device_table[state][frontend];
}

const char *device_state_name(enum device_state state)
{
	static const char *const names[DEV_NR_STATES] = {
		[DEV_NEW] = "new",
		[DEV_WAITING] = "waiting",
		[DEV_STARTING] = "starting",
		[DEV_CONNECTED] = "connected",
		[DEV_STOPPING] = "closing",
		[DEV_RESCUING] = "rescuing",
		[DEV_CLOSED] = "closed",
		[DEV_BROKEN] = "given-up",
	};

	return state < DEV_NR_STATES ? names[state] : "unknown";
}
