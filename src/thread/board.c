/*
 * Notice boards; see board.h.
 */
#include "thread/board.h"

#include "base/assert.h"
#include "base/mem.h"

struct board_reader {
	struct mail mail;
	struct list link; /* board->readers; under its lock */
	struct board *board; /* borrowed; not touched when has_left */
	struct mailbox *mailbox; /* borrowed */
	void (*on_post)(void *argument);
	void *argument;
	bool is_told; /* the mail is on its way; under the board's lock */
	bool has_left; /* the reader's thread only */
};

static void
on_mail(struct mail *m, void *receiver)
{
	struct board_reader *r = CONTAINER_OF(m, struct board_reader, mail);

	(void)receiver;
	if (r->has_left) {
		mem_free(&r);
		return;
	}
	pthread_mutex_lock(&r->board->lock);
	r->is_told = false;
	pthread_mutex_unlock(&r->board->lock);
	r->on_post(r->argument);
}

void
board_init(struct board *b, void *value, void (*take)(void *value), void (*drop)(void *value))
{
	pthread_mutex_init(&b->lock, NULL);
	b->value = value;
	b->take = take;
	b->drop = drop;
	list_init(&b->readers);
}

void
board_fini(struct board *b)
{
	ASSERT(list_is_empty(&b->readers));
	b->drop(b->value);
	b->value = NULL;
	pthread_mutex_destroy(&b->lock);
}

void
board_post(struct board *b, void *value)
{
	struct list *item, *keep;
	void *old;

	pthread_mutex_lock(&b->lock);
	old = b->value;
	b->value = value;
	/* Sent under the lock: who has left gets no more mail. */
	LIST_EACH(item, keep, &b->readers) {
		struct board_reader *r = CONTAINER_OF(item, struct board_reader, link);

		if (r->is_told)
			continue;
		r->is_told = true;
		mailbox_send(r->mailbox, &r->mail);
	}
	pthread_mutex_unlock(&b->lock);
	b->drop(old);
}

void *
board_take(struct board *b)
{
	void *value;

	pthread_mutex_lock(&b->lock);
	value = b->value;
	b->take(value);
	pthread_mutex_unlock(&b->lock);
	return value;
}

struct board_reader *
board_join(struct board *b, struct mailbox *mailbox, void (*on_post)(void *argument),
	   void *argument)
{
	struct board_reader *r = mem_zalloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->mail.deliver = on_mail;
	r->board = b;
	r->mailbox = mailbox;
	r->on_post = on_post;
	r->argument = argument;
	pthread_mutex_lock(&b->lock);
	list_append(&b->readers, &r->link);
	pthread_mutex_unlock(&b->lock);
	return r;
}

void
board_leave(struct board_reader **reader)
{
	struct board_reader *r = *reader;
	bool is_told;

	*reader = NULL;
	if (!r)
		return;
	pthread_mutex_lock(&r->board->lock);
	list_remove(&r->link);
	is_told = r->is_told;
	pthread_mutex_unlock(&r->board->lock);
	r->has_left = true;
	if (!is_told)
		mem_free(&r);
}
