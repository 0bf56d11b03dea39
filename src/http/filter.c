/*
 * The chain of filters; see filter.h.
 */
#include "http/filter.h"

#include "http/exchange.h"

static struct filter *
last_of(const struct exchange *x)
{
	struct filter *f = x->filter;

	while (f && f->next)
		f = f->next;
	return f;
}

void
filter_add(struct exchange *x, struct filter *f, const struct filter_ops *ops)
{
	struct filter *last = last_of(x);

	f->ops = ops;
	f->x = x;
	f->next = NULL;
	f->prior = last;
	if (last)
		last->next = f;
	else
		x->filter = f;
}

void
filter_add_first(struct exchange *x, struct filter *f, const struct filter_ops *ops)
{
	f->ops = ops;
	f->x = x;
	f->prior = NULL;
	f->next = x->filter;
	if (x->filter)
		x->filter->prior = f;
	x->filter = f;
}

/* --- towards the client: a filter, or the protocol behind the last one -------------- */

static int
head_of(struct exchange *x, struct filter *f)
{
	while (f && !f->ops->head)
		f = f->next;
	return f ? f->ops->head(f) : x->ops->head(x);
}

static int
body_of(struct exchange *x, struct filter *f, struct chunks *list)
{
	while (f && !f->ops->body)
		f = f->next;
	return f ? f->ops->body(f, list) : exchange_send_body(x, list);
}

static void
end_of(struct exchange *x, struct filter *f)
{
	while (f && !f->ops->end)
		f = f->next;
	if (f)
		f->ops->end(f);
	else
		x->ops->end(x);
}

static void
whole_of(struct exchange *x, struct filter *f, struct slice body)
{
	while (f && !f->ops->whole)
		f = f->next;
	if (f)
		f->ops->whole(f, body);
	else
		exchange_send_whole(x, body);
}

static void
abort_of(struct exchange *x, struct filter *f, int err)
{
	while (f && !f->ops->abort)
		f = f->next;
	if (f)
		f->ops->abort(f, err);
	else
		x->ops->abort(x, err);
}

int
filter_pass_head(struct filter *f)
{
	return head_of(f->x, f->next);
}

int
filter_pass_body(struct filter *f, struct chunks *list)
{
	return body_of(f->x, f->next, list);
}

void
filter_pass_end(struct filter *f)
{
	end_of(f->x, f->next);
}

void
filter_pass_whole(struct filter *f, struct slice body)
{
	whole_of(f->x, f->next, body);
}

void
filter_pass_abort(struct filter *f, int err)
{
	abort_of(f->x, f->next, err);
}

/* --- towards the application ----------------------------------------------------------- */

static void
resume_of(struct exchange *x, struct filter *f)
{
	while (f && !f->ops->resume)
		f = f->prior;
	if (f)
		f->ops->resume(f);
	else if (!x->is_answered)
		x->app->resume(x);
}

void
filter_pass_resume(struct filter *f)
{
	resume_of(f->x, f->prior);
}

/* --- from outside ------------------------------------------------------------------------ */

int
filters_head(struct exchange *x)
{
	return head_of(x, x->filter);
}

int
filters_body(struct exchange *x, struct chunks *list)
{
	return body_of(x, x->filter, list);
}

void
filters_end(struct exchange *x)
{
	x->is_answered = true;
	end_of(x, x->filter);
}

void
filters_whole(struct exchange *x, struct slice body)
{
	x->is_answered = true;
	whole_of(x, x->filter, body);
}

void
filters_abort(struct exchange *x, int err)
{
	x->is_answered = true;
	abort_of(x, x->filter, err);
}

void
filters_resume(struct exchange *x)
{
	resume_of(x, last_of(x));
}

void
filters_cancel(struct exchange *x)
{
	struct filter *f = last_of(x);

	x->filter = NULL;
	for (; f; f = f->prior) {
		if (f->ops->cancel)
			f->ops->cancel(f);
	}
}
