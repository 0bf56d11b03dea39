/*
 * Where a part's result comes from: `source = KIND [NAME]` of its section, the
 * source that it names, and the keys that the source brings.
 */
#include "config/suggest.h"
#include "plan/plan_priv.h"

/* Takes every key that is left: of a section whose source is not known. */
static const struct conf_key any_keys[] = { { "", CONF_FAMILY, .width = sizeof(struct conf_family),
					      .help = "keys of an unknown source" },
					    CONF_KEYS_END };

static void
add_table(struct plan_part *pp, const struct conf_key *keys, void *into)
{
	if (keys)
		pp->table[pp->tables++] = (struct conf_table){ keys, into };
}

static const struct source_ops *
find_kind(struct plan_part *pp, struct conf_errors *e, struct slice kind)
{
	const struct source_ops *ops = source_find_ops(kind), *const * all;
	struct suggest near;
	size_t count;

	if (ops)
		return ops;
	all = source_all_ops(&count);
	suggest_init(&near, kind);
	for (size_t i = 0; i < count; i++)
		suggest_offer(&near, slice_of(all[i]->name));
	conf_error_at(e, pp->part.section, "source", "there is no kind of source %s%s",
		      conf_quote(kind).text, suggest_text(&near));
	return NULL;
}

static struct source *
find_source(struct plan_part *pp, struct plan_build *b, const struct source_ops *ops,
	    struct slice argument)
{
	if (ops->section) {
		if (conf_find(b->conf, slice_of(ops->section), argument))
			return b->find_source(b->argument, ops, argument);
		conf_error_no_section(plan_errors(b), pp->part.section, "source", ops->section,
				      argument);
		return NULL;
	}
	if (argument.len > 0 && !ops->choose) {
		conf_error_at(plan_errors(b), pp->part.section, "source",
			      "%s takes no name, but there is %s", ops->name,
			      conf_quote(argument).text);
		return NULL;
	}
	pp->part.argument = argument;
	return b->find_source(b->argument, ops, SLICE(""));
}

/* Memory for the keys of the source, and of what it chose by its argument. */
static int
take_keys(struct plan_part *pp, struct plan_build *b)
{
	const struct source_ops *ops = pp->part.source->ops;
	const struct conf_key *chosen = NULL;
	unsigned before = plan_errors(b)->errors;
	size_t size = 0;

	if (ops->choose)
		chosen = ops->choose(&pp->part, b->source, &size);
	if (plan_errors(b)->errors > before)
		return ERR_SYNTAX;
	pp->part.conf = arena_zalloc(b->source->arena, 1, ops->part_size + 1);
	pp->part.choice_conf = arena_zalloc(b->source->arena, 1, size + 1);
	if (!pp->part.conf || !pp->part.choice_conf)
		return ERR_MEMORY;
	add_table(pp, ops->part_keys, pp->part.conf);
	add_table(pp, chosen, pp->part.choice_conf);
	return 0;
}

int
origin_find(struct plan_part *pp, struct plan_build *b)
{
	const struct conf_entry *entry = conf_entry(pp->part.section, "source");
	struct slice rest = entry ? slice_trim(entry->value) : SLICE(""), kind;
	const struct source_ops *ops = NULL;
	int err = ERR_SYNTAX;

	kind = slice_cut(&rest, ' ');
	if (kind.len > 0)
		ops = find_kind(pp, plan_errors(b), kind);
	if (ops)
		pp->part.source = find_source(pp, b, ops, slice_trim(rest));
	if (pp->part.source)
		err = take_keys(pp, b);
	if (err == ERR_SYNTAX) {
		pp->part.source = NULL;
		add_table(pp, any_keys, NULL);
	}
	return err;
}
