/*
 * Orders as messages; see order.h.
 */
#include "child/order.h"

#include "thread/thread.h"

#include <sched.h>
#include <sys/resource.h>

static void
put_text(struct order *o, struct slice value)
{
	/* execve ends texts at a NUL: what stands behind it would be lost unseen. */
	if (!o->text.err && slice_find(value, '\0') < value.len)
		o->text.err = ERR_ARGUMENT;
	buffer_put(&o->text, value);
}

static void
end_text(struct order *o)
{
	buffer_char(&o->text, '\0');
	if (o->head.arguments + o->head.variables > ORDER_TEXTS_MAX && !o->text.err)
		o->text.err = ERR_TOO_MANY;
}

void
order_init(struct order *o, const char *program, const char *folder,
	   const struct order_limits *limits)
{
	o->head = (struct order_head){ .limits = *limits };
	buffer_init(&o->text, ORDER_BYTES - sizeof(o->head));
	put_text(o, slice_of(program));
	end_text(o);
	put_text(o, slice_of(folder));
	end_text(o);
}

void
order_argument(struct order *o, struct slice value)
{
	o->head.arguments++;
	put_text(o, value);
	end_text(o);
}

void
order_variable(struct order *o, struct slice name, struct slice value)
{
	o->head.variables++;
	put_text(o, name);
	buffer_char(&o->text, '=');
	put_text(o, value);
	end_text(o);
}

struct order_share
order_share_of_thread(void)
{
	return (struct order_share){ .cpus = thread_cpus(thread_number()),
				     .policy = sched_getscheduler(0),
				     .nice = getpriority(PRIO_PROCESS, 0) };
}

void
order_fini(struct order *o)
{
	buffer_fini(&o->text);
}

/* --- the spawner's side --------------------------------------------------------- */

/* NULL when there is none any more. */
static char *
next_text(char **rest, const char *end)
{
	char *text = *rest, *nul = memchr(text, '\0', (size_t)(end - text));

	if (!nul)
		return NULL;
	*rest = nul + 1;
	return text;
}

static int
read_list(char **list, uint32_t count, char **rest, const char *end)
{
	for (uint32_t i = 0; i < count; i++) {
		list[i] = next_text(rest, end);
		if (!list[i])
			return ERR_SYNTAX;
	}
	list[count] = NULL;
	return 0;
}

int
order_read(struct order_read *r, char *message, size_t len)
{
	const char *end = message + len;
	char *rest = message + sizeof(r->head);
	int err;

	if (len < sizeof(r->head))
		return ERR_SYNTAX;
	memcpy(&r->head, message, sizeof(r->head));
	if (r->head.arguments > ORDER_TEXTS_MAX || r->head.variables > ORDER_TEXTS_MAX)
		return ERR_SYNTAX;
	r->program = next_text(&rest, end);
	r->folder = r->program ? next_text(&rest, end) : NULL;
	if (!r->folder)
		return ERR_SYNTAX;
	r->arguments[0] = r->program;
	err = read_list(&r->arguments[1], r->head.arguments, &rest, end);
	return err ? err : read_list(r->variables, r->head.variables, &rest, end);
}
