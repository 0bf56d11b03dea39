/*
 * What a child does between fork and execve: everything that makes it the
 * program that was ordered, with the limits and the descriptors that were.
 * In the spawner's child alone.
 */
#ifndef FOREBAY_CHILD_BIRTH_H
#define FOREBAY_CHILD_BIRTH_H

#include "child/order.h"
#include "child/word.h"

#include <sys/types.h>

/* Never returns. What cannot be done is told on the control socket, and the exit code is 127. */
void birth_run(const struct order_read *o, const int fds[ORDER_FDS], pid_t spawner)
    __attribute__((noreturn));

#endif
