/*
 * A plan for Graphviz; see explain.h. From the request at the left to the
 * answer at the right.
 */
#include "cache/cache.h"
#include "config/value.h"
#include "plan/explain_priv.h"
#include "plan/stash.h"

enum { LABEL_BYTES = 512 };

/* Within a quoted string of that language. */
static void
put_quoted(struct writer *w, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char byte = (unsigned char)s.at[i];

		if (byte == '"' || byte == '\\')
			writer_char(w, '\\');
		writer_char(w, byte < 0x20 || byte == 0x7f ? ' ' : (char)byte);
	}
}

static void
write_part(const struct plan *p, unsigned i, struct writer *w)
{
	const struct plan_part *pp = &p->part[i];
	char text[LABEL_BYTES];
	struct writer label = writer_over(text, sizeof(text));

	explain_source(pp, &label);
	writer_format(w, "\tp%u [label=\"", i);
	put_quoted(w, pp->part.name);
	writer_text(w, pp->part.name.len > 0 ? "\\n" : "");
	put_quoted(w, writer_slice(&label));
	writer_text(w, "\\n");
	explain_timeout(p, pp, w);
	if (pp->stash) {
		writer_text(w, "\\ncache ");
		put_quoted(w, pp->stash->cache->name);
	}
	writer_format(w, "\"%s];\n", pp->is_optional ? ", style=dashed" : "");
}

/* Whether the longest chain goes from one to the other. */
static bool
is_chained(const struct outlook *o, unsigned from, unsigned to)
{
	for (unsigned k = 1; k < o->chained; k++) {
		if (o->chain[k - 1] == from && o->chain[k] == to)
			return true;
	}
	return false;
}

static void
write_arrows(const struct plan *p, const struct outlook *o, unsigned i, struct writer *w)
{
	const struct plan_part *pp = &p->part[i];
	unsigned need;
	uint64_t keep;

	if (pp->after == 0)
		writer_format(w, "\trequest -> p%u%s;\n", i,
			      o->chain[0] == i ? " [penwidth=2]" : "");
	PLAN_EACH(need, keep, pp->after)
	writer_format(w, "\tp%u -> p%u%s%s;\n", need, i,
		      is_chained(o, need, i) ? " [penwidth=2]" : "",
		      pp->needs & PLAN_BIT(need) ? "" : " [style=dashed]");
	if (pp->followers == 0)
		writer_format(w, "\tp%u -> answer%s;\n", i,
			      o->chain[o->chained - 1] == i ? " [penwidth=2]" : "");
}

void
explain_dot(const struct plan *p, struct writer *w)
{
	struct outlook o;

	outlook_of(&o, p, 0);
	writer_text(w, "digraph \"");
	put_quoted(w, p->name);
	writer_text(w, "\" {\n\trankdir=LR;\n\tlabel=\"");
	put_quoted(w, explain_match(p));
	writer_text(w, explain_match(p).len > 0 ? "\\n" : "");
	writer_text(w, "deadline ");
	value_write_duration(w, p->conf.deadline);
	writer_text(w, "; at most ");
	value_write_duration(w, o.worst_ns);
	writer_text(w, "\";\n\tnode [shape=box];\n\trequest [shape=plaintext];\n"
		       "\tanswer [shape=plaintext];\n");
	for (unsigned i = 0; i < p->count; i++)
		write_part(p, i, w);
	for (unsigned i = 0; i < p->count; i++)
		write_arrows(p, &o, i, w);
	writer_text(w, "}\n");
}
