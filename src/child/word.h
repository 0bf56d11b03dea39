/*
 * What the spawner says of a child, on the socket that came with its order: that
 * it runs or cannot be started, then how it ended. Both sides are one program.
 */
#ifndef FOREBAY_CHILD_WORD_H
#define FOREBAY_CHILD_WORD_H

#include <stdint.h>

/* The socket that the spawner takes orders from; it is started with it there. */
enum { SPAWNER_SOCKET = 3 };

/* What comes with an order, in this order. */
enum order_fd {
	ORDER_CONTROL,
	ORDER_STDIN,
	ORDER_STDOUT,
	ORDER_STDERR,
	ORDER_MORE, /* need not be there: the child's descriptor 3 */
	ORDER_FDS
};

enum word_kind {
	WORD_RUNS = 1, /* a: its pid, which is its process group's */
	WORD_FAILED, /* a: errno; b: enum word_step */
	WORD_ENDED, /* a: as si_code, b: as si_status of waitid() */
};

/* X(NAME, text): what could not be done */
#define WORD_STEPS                                                                                 \
	X(FORK, "it cannot be forked")                                                             \
	X(FOLDER, "its folder cannot be entered")                                                  \
	X(LIMITS, "its limits cannot be set")                                                      \
	X(FILES, "its descriptors cannot be set up")                                               \
	X(EXECUTE, "it cannot be executed")

enum word_step {
#define X(name, text) WORD_STEP_##name,
	WORD_STEPS
#undef X
};

struct word {
	int32_t kind, a, b;
};

/* From the server, one byte each; the end of the socket is WORD_KILL too. */
#define WORD_TERMINATE 'T'
#define WORD_KILL      'K'

#endif
