/*
 * A directory of files for the suites of source `file`, removed at the end.
 */
#ifndef FOREBAY_TESTS_SOURCE_TREE_H
#define FOREBAY_TESTS_SOURCE_TREE_H

#include <stddef.h>

struct tree {
	char top[64]; /* holds the root, and files that are not below it */
	char root[80];
};

/*
 * top/secret                                  not below the root
 * top/root/small        "small file\n"        top/root/empty
 * top/root/dir/inner    "inner\n"             top/root/dir/index.html
 * top/root/fifo         top/root/socket       top/root/.hidden
 * top/root/in      -> dir/inner               top/root/dir/up -> ../small
 * top/root/out     -> ../secret               top/root/absolute -> top/secret
 * top/root/self    -> self                    top/root/proc -> /proc/self/exe
 */
void tree_init(struct tree *t);
void tree_fini(struct tree *t);
/* Makes root/name of `size` bytes that differ from place to place: tree_byte(i). */
void tree_add(const struct tree *t, const char *name, size_t size);
char tree_byte(size_t i);
void tree_cut(const struct tree *t, const char *name, size_t size);

#endif
