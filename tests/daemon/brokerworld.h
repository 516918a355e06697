/* SPDX-License-Identifier: MIT */
/*
 * The broker's world: a store that may fail, a toolstack, guests that die, and workers of
 * which only the pid is real to it. Each guest has one device, number 0.
 */
#ifndef BROKERWORLD_H
#define BROKERWORLD_H

#include "broker.h"

#define DOMID		7U
#define OTHER		8U
#define ROOT		"/local/domain/0/backend/userptr"

extern struct broker broker;

struct broker_world {
	int list_error;		/* of all directories */
	int domain_error;	/* of the question whether a domain lives */
	bool is_dead[OTHER + 1];	/* by domid */
	/* Workers that were ... */
	unsigned int spawned, stopped, killed, rescued;
	unsigned int extended;	/* times that systemd was told to wait */
};

extern struct broker_world world;

int broker_setup(void **state);
int broker_teardown(void **state);

/* The toolstack writes what makes a device, or removes it all. */
void attach(uint32_t domid);
void take(uint32_t domid);
bool has_node(uint32_t domid);
void front_set(uint32_t domid, const char *key, const char *value);
const char *front_path(uint32_t domid, const char *key);
uint64_t back_state(uint32_t domid);

/* A watch with this token, and all that follows. */
void watch_fires(const char *token);
void run_loop(void);
/* Is it going to be asked again of itself? Until it is. */
bool retries(void);
void wait_for_retry(void);
bool has_ended(void);

/* A guest with its device, up to Connected. */
void connect_guest(uint32_t domid);
struct device *device_of(uint32_t domid);
enum device_state state_of(uint32_t domid);
/* Connected, and no worker was told to end. */
void assert_lives(uint32_t domid);

#endif /* BROKERWORLD_H */
