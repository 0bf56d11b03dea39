/*
 * Lists of networks in a configuration; see network_list.h.
 */
#include "net/network_list.h"

#include "base/mem.h"

enum { TEXT_BYTES = 80, EVERYBODY = 3 };

static int
read_one(struct network *n, const struct network_key *k, struct slice text,
	 const struct conf_section *s, struct conf_errors *e)
{
	char right[TEXT_BYTES];
	struct writer w = writer_over(right, sizeof(right));

	if (network_parse(n, text) != 0) {
		conf_error_at(
		    e, s, k->key,
		    "\"%.*s\" is no network such as 10.0.0.0/8, 192.0.2.1, 2001:db8::/32 or "
		    "unix",
		    SLICE_PRINT(text));
		return ERR_SYNTAX;
	}
	n->value = k->value;
	if (n->has_host_bits) {
		network_write(n, &w);
		conf_warning_at(e, s, k->key, "%.*s is %.*s: bits behind the length do not count",
				SLICE_PRINT(text), SLICE_PRINT(writer_slice(&w)));
	}
	return 0;
}

static int
check_clash(struct network *list, size_t count, const struct network_key *k,
	    const struct conf_section *s, struct conf_errors *e)
{
	char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	const struct network *twice = network_find_clash(list, count);

	if (!twice)
		return 0;
	network_write(twice, &w);
	conf_error_at(e, s, k->key, "%.*s stands in two lists that contradict each other",
		      SLICE_PRINT(writer_slice(&w)));
	return ERR_SYNTAX;
}

static size_t
count_all(const struct network_key *keys, size_t count)
{
	size_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += keys[i].list->count;
	return all;
}

/* All addresses that the list does not name as a whole. */
static size_t
add_everybody(struct network *list, size_t count, uint8_t value)
{
	static const struct slice everybody[EVERYBODY] = { SLICE_INIT("0.0.0.0/0"),
							   SLICE_INIT("::/0"), SLICE_INIT("unix") };
	size_t end = count;

	for (size_t i = 0; i < EVERYBODY; i++) {
		bool is_there = network_parse(&list[end], everybody[i]) != 0;

		for (size_t k = 0; k < count && !is_there; k++)
			is_there =
			    list[k].bits == list[end].bits && list[k].key[0] == list[end].key[0];
		if (!is_there)
			list[end++].value = value;
	}
	return end;
}

static struct networks *
read_lists(const struct network_key *keys, size_t count, uint8_t others,
	   const struct conf_section *s, struct conf_errors *e)
{
	size_t all = count_all(keys, count), n = 0;
	struct networks *set = NULL;
	struct network *list;
	int err = 0;

	if (all == 0)
		return NULL;
	list = mem_zalloc(all + EVERYBODY, sizeof(*list));
	for (size_t i = 0; i < count && list; i++) {
		for (size_t k = 0; k < keys[i].list->count; k++)
			err |= read_one(&list[n++], &keys[i], keys[i].list->at[k], s, e);
	}
	if (list && !err)
		err = check_clash(list, n, &keys[count - 1], s, e);
	if (list && !err && others)
		n = add_everybody(list, n, others);
	if (list && !err)
		set = networks_new(list, n);
	if (!set && !err)
		conf_error(e, "", 0, "out of memory");
	mem_free(&list);
	return set;
}

struct networks *
network_list_read(const struct network_key *keys, size_t count, const struct conf_section *s,
		  struct conf_errors *e)
{
	return read_lists(keys, count, 0, s, e);
}

struct networks *
network_list_access(const struct conf_list *allow, const struct conf_list *deny,
		    const struct conf_section *s, struct conf_errors *e)
{
	const struct network_key keys[] = { { "allow", allow, NETWORK_ALLOWED },
					    { "deny", deny, NETWORK_DENIED } };

	return read_lists(keys, 2, allow->count ? NETWORK_DENIED : 0, s, e);
}
