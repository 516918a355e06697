/* SPDX-License-Identifier: MIT */
/* Steps that tests of one chunk share. Include it after cmocka's headers. */
#ifndef XU_CHUNKWALK_H
#define XU_CHUNKWALK_H

#include "migworld.h"

/* Complete ops until the chunk of object 0, page 0 is in this state. */
static inline void until(struct world *w, uint32_t state)
{
	unsigned int left = 100;

	while (world_state(w, 0, 0) != state) {
		assert_true(left--);
		if (w->nr_pending)
			world_complete(w, 0, MIG_OK);
		else
			world_try_stop(w, 0);
	}
}

/* All is right at the end, wherever the data was. */
static inline void end(struct world *w)
{
	world_touch_all(w);
	world_end(w);
	world_free(w);
}

#endif /* XU_CHUNKWALK_H */
