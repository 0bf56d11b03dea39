/*
 * The server's side of a flow: the functions that its code gets. On workers, on
 * the flow's own stack, so that nothing here is large.
 */
#include "config.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "module/module_priv.h"

#include <stdio.h>

enum { FORMAT_BYTES = 512, LOG_BYTES = 256, PATH_STEPS_MAX = 32, STRING_BYTES = 256 };

/* One run; what the module sees is `seen`. */
struct flow_host {
	struct forebay_flow seen;
	struct flow *flow;
	struct writer why; /* over text; what forebay_flow_fail said */
	char text[LOG_BYTES];
};

static struct flow *
flow_of(struct forebay_flow *f)
{
	return CONTAINER_OF(f, struct flow_host, seen)->flow;
}

static struct forebay_bytes
bytes_of(struct slice s)
{
	return (struct forebay_bytes){ s.at, s.len };
}

static struct slice
slice_from(struct forebay_bytes b)
{
	return slice_make(b.at, b.len);
}

/* What is there, but empty, is not what is not there. */
static struct forebay_bytes
present(struct slice s)
{
	return (struct forebay_bytes){ s.at ? s.at : "", s.len };
}

static const struct forebay_bytes absent = { NULL, 0 };

/* --- the request and its parts ------------------------------------------------------- */

static struct forebay_bytes
get(struct forebay_flow *f, const char *name)
{
	struct flow *flow = flow_of(f);
	struct slice value;
	int err = flow->ops->get(flow, slice_of(name), &value);

	if (err == ERR_ARGUMENT)
		log_warning("flow %s: %s is not among what it reads", flow->type->name, name);
	return err ? absent : present(value);
}

static int
set(struct forebay_flow *f, const char *name, struct forebay_bytes value)
{
	struct flow *flow = flow_of(f);

	return host_result(flow->ops->set(flow, slice_of(name), slice_from(value)));
}

static int
wait_for(struct forebay_flow *f, const char *const *parts, size_t count, int how)
{
	struct flow *flow = flow_of(f);
	int result = flow->ops->wait(flow, parts, count, how == FOREBAY_ANY ? FLOW_ANY : FLOW_ALL);

	return result > 0 ? result : host_result(result);
}

static int
sleep_for(struct forebay_flow *f, uint64_t ns)
{
	struct flow *flow = flow_of(f);

	return host_result(flow->ops->sleep(flow, ns));
}

static int
part_status(struct forebay_flow *f, const char *part)
{
	struct flow *flow = flow_of(f);
	int status = flow->ops->status(flow, slice_of(part));

	return status > 0 ? status : 0;
}

static struct forebay_bytes
part_body(struct forebay_flow *f, const char *part)
{
	struct flow *flow = flow_of(f);
	struct slice text;

	return flow->ops->result(flow, slice_of(part), &text) == 0 ? present(text) : absent;
}

/* --- JSON ------------------------------------------------------------------------------ */

static struct forebay_bytes
find(struct forebay_flow *f, struct forebay_bytes json, const char *path)
{
	struct slice steps[PATH_STEPS_MAX], rest = slice_of(path), value;
	size_t count = 0;

	(void)f;
	while (rest.len > 0) {
		if (count == PATH_STEPS_MAX)
			return absent;
		steps[count++] = slice_cut(&rest, '.');
	}
	if (!json.at || json_find(slice_from(json), steps, count, &value) != 0)
		return absent;
	return bytes_of(value);
}

static struct forebay_bytes
text_of(struct forebay_flow *f, struct forebay_bytes json)
{
	struct flow *flow = flow_of(f);
	struct slice raw = slice_from(json), text;
	struct writer w;
	char *memory;

	if (raw.len == 0)
		return absent;
	if (json_text_borrow(raw, &text))
		return present(text);
	memory = flow->ops->alloc(flow, raw.len); /* unescaped it is never longer */
	w = writer_over(memory, memory ? raw.len : 0);
	return memory && json_text(raw, &w) == 0 ? present(writer_slice(&w)) : absent;
}

/* --- the answer -------------------------------------------------------------------------- */

static int
set_field(struct forebay_flow *f, const char *name, const char *value)
{
	struct flow *flow = flow_of(f);

	return name && value
		   ? host_result(flow->ops->set_field(flow, slice_of(name), slice_of(value)))
		   : FOREBAY_ARGUMENT;
}

static int
answer(struct forebay_flow *f, int status, const char *type)
{
	struct flow *flow = flow_of(f);
	int result = host_result(flow->ops->set_status(flow, status));

	return !result && type ? set_field(f, "content-type", type) : result;
}

static int
put(struct forebay_flow *f, const void *at, size_t len)
{
	struct flow *flow = flow_of(f);

	return host_result(flow->ops->write(flow, slice_make(at, len)));
}

/* What does not fit into a line is formatted again, into memory that is large enough. */
__attribute__((format(printf, 2, 0))) static int
format_text(struct forebay_flow *f, const char *format, va_list list)
{
	struct flow *flow = flow_of(f);
	char line[FORMAT_BYTES], *text = line;
	va_list again;
	int len;

	va_copy(again, list);
	len = vsnprintf(line, sizeof(line), format, list);
	if (len >= (int)sizeof(line)) {
		text = flow->ops->alloc(flow, (size_t)len + 1);
		if (text)
			vsnprintf(text, (size_t)len + 1, format, again);
	}
	va_end(again);
	if (len < 0)
		return FOREBAY_ARGUMENT;
	return text ? put(f, text, (size_t)len) : FOREBAY_NO_MEMORY;
}

static int
put_string(struct forebay_flow *f, struct forebay_bytes text)
{
	struct slice rest = slice_from(text);
	char memory[STRING_BYTES];

	put(f, "\"", 1);
	while (rest.len > 0) {
		struct writer w = writer_over(memory, sizeof(memory));

		rest = json_write_some(&w, rest);
		put(f, w.at, w.len);
	}
	return put(f, "\"", 1);
}

static int
put_part(struct forebay_flow *f, const char *part)
{
	struct flow *flow = flow_of(f);

	return host_result(flow->ops->splice(flow, slice_of(part)));
}

/* --- the rest -------------------------------------------------------------------------- */

static void *
alloc(struct forebay_flow *f, size_t bytes)
{
	struct flow *flow = flow_of(f);

	return flow->ops->alloc(flow, bytes);
}

static uint64_t
time_left(struct forebay_flow *f)
{
	uint64_t now = clock_monotonic();

	if (f->deadline_ns == CLOCK_NEVER)
		return UINT64_MAX;
	return f->deadline_ns > now ? f->deadline_ns - now : 0;
}

__attribute__((format(printf, 2, 0))) static void
fail(struct forebay_flow *f, const char *format, va_list list)
{
	host_write_why(&CONTAINER_OF(f, struct flow_host, seen)->why, format, list);
}

static const struct forebay_flow_host table = {
	.size = sizeof(struct forebay_flow_host),
	.version = PACKAGE_VERSION,
	.get = get,
	.set = set,
	.wait = wait_for,
	.sleep = sleep_for,
	.part_status = part_status,
	.part_body = part_body,
	.find = find,
	.text = text_of,
	.answer = answer,
	.set_field = set_field,
	.put = put,
	.format = format_text,
	.put_string = put_string,
	.put_part = put_part,
	.alloc = alloc,
	.time_left = time_left,
	.fail = fail,
};

int
flow_host_run(struct flow *f)
{
	const struct module_flow *m = module_flow_of(f->type);
	struct flow_host h = {
		.seen = { .size = sizeof(h.seen),
			  .host = &table,
			  .params = f->conf,
			  .module = m->module->state,
			  .deadline_ns = f->ops->deadline(f) },
		.flow = f,
	};
	int err;

	h.why = writer_over(h.text, sizeof(h.text));
	err = host_err(m->flow->run(&h.seen));
	if (err && h.why.len > 0)
		log_warning("flow %s: %.*s", f->type->name, SLICE_PRINT(writer_slice(&h.why)));
	return err;
}
