/*
 * Mail between threads: the only way in which one thread tells another
 * something. The link sits in what is sent, so sending cannot fail.
 *
 * A push stack by compare-and-swap; the receiver takes all of it with one
 * exchange and reverses it, so mail of one sender arrives in order. A sender
 * wakes the receiver only when it is marked asleep: both sides put a
 * sequentially consistent fence between their store and their load, so that
 * either the sender sees the mark or the receiver sees the mail.
 */
#ifndef FOREBAY_THREAD_MAILBOX_H
#define FOREBAY_THREAD_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

struct mail {
	struct mail *next;
	/* Runs on the receiving thread, which owns the mail from then on. */
	void (*deliver)(struct mail *m, void *receiver);
};

struct mailbox {
	_Atomic(struct mail *) newest;
	atomic_uint senders; /* inside mailbox_send() now: they may still be ringing */
	atomic_bool is_asleep;
	int wake_fd; /* eventfd, watched edge-triggered by the receiver and never read */
};

/* ERR_SYSTEM when no eventfd can be had. */
int mailbox_init(struct mailbox *b) __attribute__((warn_unused_result));
/* No mail may be left, and nobody may begin to send. Waits for who has sent and still rings. */
void mailbox_fini(struct mailbox *b);

/* Any thread. m->deliver must be set; m belongs to the receiver now. */
void mailbox_send(struct mailbox *b, struct mail *m);

/* The receiver: delivers what has come, oldest first; returns how many. Mail
 * that arrives meanwhile waits for the next call. */
unsigned mailbox_drain(struct mailbox *b, void *receiver);
/* The receiver, before it waits: true if it may sleep, false if mail is there. */
bool mailbox_fall_asleep(struct mailbox *b);
/* The receiver, after it waited. */
void mailbox_wake_up(struct mailbox *b);
/* Any thread: wakes the receiver without mail. */
void mailbox_ring(struct mailbox *b);

#endif
