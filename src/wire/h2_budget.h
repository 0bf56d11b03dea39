/*
 * What the peer of an HTTP/2 connection may do that leads to nothing, be it a
 * client of ours or a server: one bucket of tokens per connection, charged for
 * every frame that asks for work and brings no message, no body and no room for
 * what is sent. Whoever empties it is told to calm down and loses the
 * connection. Pure: time is handed in.
 */
#ifndef FOREBAY_WIRE_H2_BUDGET_H
#define FOREBAY_WIRE_H2_BUDGET_H

#include "wire/h2_frames.h"

enum h2_waste {
	H2_WASTE_NONE,
	H2_WASTE_RESET, /* streams that the peer reset */
	H2_WASTE_ERROR, /* streams that it made us reset (MadeYouReset) */
	H2_WASTE_PING, /* beyond what comes of our DATA */
	H2_WASTE_SETTINGS,
	H2_WASTE_EMPTY, /* frames without a payload that end nothing */
	H2_WASTE_PRIORITY, /* beyond what requests may be followed by */
	H2_WASTE_WINDOW, /* WINDOW_UPDATE beyond what our DATA can be answered with */
	H2_WASTE_UNKNOWN, /* frame types that nobody knows, GOAWAY */
	H2_WASTE_COUNT
};

enum {
	H2_BUDGET_TOKENS = 200, /* at the start and at most */
	H2_BUDGET_PER_SECOND = 20, /* come back */
	H2_BUDGET_UPDATES = 64, /* free WINDOW_UPDATEs and PINGs at the start */
	/* for each DATA frame of ours: readers give windows back as they read, 4 KiB at a time or
	 * less, of the stream and of the connection, and find by PINGs how large these should be */
	H2_BUDGET_UPDATES_PER_DATA = 10,
	H2_BUDGET_EARNED = 4096, /* and at most: answers to all the DATA that may be under way */
	H2_BUDGET_PRIORITIES = 4, /* free for each request: browsers change their minds */
	H2_BUDGET_PRIORITIES_EARNED = 512, /* and at most */
};

struct h2_budget {
	uint64_t filled_ns; /* when tokens came last */
	uint32_t tokens;
	uint32_t updates; /* WINDOW_UPDATEs and PINGs that DATA has earned */
	uint32_t priorities; /* and PRIORITYs, PRIORITY_UPDATEs that HEADERS have */
	uint32_t spent[H2_WASTE_COUNT];
};

void h2_budget_init(struct h2_budget *b, uint64_t now_ns);
/* Charges so many tokens. False: there are not so many left. */
bool h2_budget_charge(struct h2_budget *b, enum h2_waste waste, uint32_t tokens, uint64_t now_ns)
    __attribute__((warn_unused_result));
/* Charges for a frame by its head. */
bool h2_budget_charge_frame(struct h2_budget *b, const struct h2_frame_head *head, uint64_t now_ns)
    __attribute__((warn_unused_result));
/* A request was answered to its end: one token comes back. */
void h2_budget_earn(struct h2_budget *b);
/* A DATA frame of so many bytes was sent, behind which so many are left: it may well be answered
 * with WINDOW_UPDATEs, and PINGs, but for one of the few bytes that a window lets out at a time. */
void h2_budget_earn_updates(struct h2_budget *b, size_t sent, size_t left);
/* What most was spent on: the reason of the cut. */
enum h2_waste h2_budget_reason(const struct h2_budget *b);

#endif
