/*
 * The stall watch: samples the stall slots of all workers, and makes records of
 * turns that last too long. Monitor thread; time and what is asked about the
 * machine are handed in, so that tests have a clock of their own.
 *
 *   slot: turn 7, awake since t     look, look, look ... the same turn, and now - t >= limit:
 *                                   a record, once; it grows until the turn is another
 *
 * It looks every STALL_FAST_MS while a worker is awake, else once per limit: a
 * turn that begins then is seen before it is over, and says when it began. Its
 * own lateness is looked at, too: when nobody could run, nobody could look.
 */
#ifndef FOREBAY_SERVER_STALL_WATCH_H
#define FOREBAY_SERVER_STALL_WATCH_H

#include "base/clock.h"
#include "metrics/counters.h"
#include "server/stalls.h"

enum { STALL_FAST_MS = 10, STALL_IDLE_MS = 100, STALL_PLACES = 256 };

/* What it asks about the machine. */
struct stall_senses {
	/* CPU time of a thread; how long it has waited for a processor; how long the control groups
	 * were stopped: totals in ns, 0 when nobody knows. The last two may cost microseconds. */
	uint64_t (*cpu)(const struct stall_slot *slot, void *argument);
	uint64_t (*waited)(const struct stall_slot *slot, void *argument);
	uint64_t (*throttled)(void *argument);
	/* Fills the texts that the mark leads to. */
	void (*name)(struct stall *s, struct stall_where where, void *argument);
	/* A record is complete. */
	void (*over)(const struct stall *s, void *argument);
	void *argument;
};

/* What was seen of one worker. */
struct stall_place {
	uint64_t turn;
	uint64_t began_ns; /* 0: it sleeps */
	uint64_t looked_ns; /* the last look at this turn */
	uint64_t mark, request, marked_ns; /* since when they are the same */
	uint64_t number; /* of its record; 0: none */
	uint64_t told_turn, told_ns; /* reports of that turn, which have records of their own */
	uint64_t first_ns, cpu_ns; /* the first look at this turn, and the CPU time then */
	uint64_t second_ns, waited_ns; /* the second; 0: there was none */
	uint64_t measured_ns; /* when the record's figures were brought up to date */
	uint64_t dark_ns; /* of this turn: when nobody could look */
	enum stall_cause dark;
	uint64_t lost; /* reports without room that have been counted */
};

struct stall_watch {
	struct stalls stalls;
	struct counters counters; /* of kinds */
	const struct stall_senses *senses; /* borrowed */
	struct stall_slot *self; /* borrowed: of the thread that looks */
	struct stall_place place[STALL_PLACES];
	uint64_t due_ns; /* the next look; 0: there was none */
	uint64_t late_ns; /* of this look */
	enum stall_cause dark; /* why it is late; STALL_CAUSE_UNKNOWN: it is not, or had to do */
	uint64_t base_ns, base_throttled_ns, base_waited_ns; /* totals at base_ns; waited: self's */
	bool is_any_awake, is_any_long; /* of this look: turns */
};

void stall_watch_init(struct stall_watch *w, const struct stall_senses *senses,
		      struct stall_slot *self);
/* Looks at all workers. slots[i] is that of worker i; NULL: there is none now. Returns when it
 * wants to look again. limit_ns: longest turn that is none; 0: no turn is. */
uint64_t stall_watch_look(struct stall_watch *w, struct stall_slot *const slots[], unsigned count,
			  uint64_t limit_ns, uint64_t now_ns) __attribute__((warn_unused_result));

#endif
