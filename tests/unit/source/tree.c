/*
 * A directory of files; see tree.h.
 */
#include "tree.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void
write_text(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
make_socket(int dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket", dir);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

void
tree_init(struct tree *t)
{
	char secret[96];
	int top, root;

	snprintf(t->top, sizeof(t->top), "/tmp/forebay-tree-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(t->top));
	snprintf(t->root, sizeof(t->root), "%s/root", t->top);
	snprintf(secret, sizeof(secret), "%s/secret", t->top);
	top = open(t->top, O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(top, "root", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "root/dir", 0755), 0);
	root = openat(top, "root", O_DIRECTORY | O_CLOEXEC);
	write_text(top, "secret", "secret\n");
	write_text(root, "small", "small file\n");
	write_text(root, "empty", "");
	write_text(root, ".hidden", "hidden\n");
	write_text(root, "dir/inner", "inner\n");
	write_text(root, "dir/index.html", "<p>index\n");
	ck_assert_int_eq(mkfifoat(root, "fifo", 0644), 0);
	make_socket(root);
	ck_assert_int_eq(symlinkat("dir/inner", root, "in"), 0);
	ck_assert_int_eq(symlinkat("../small", root, "dir/up"), 0);
	ck_assert_int_eq(symlinkat("../secret", root, "out"), 0);
	ck_assert_int_eq(symlinkat(secret, root, "absolute"), 0);
	ck_assert_int_eq(symlinkat("self", root, "self"), 0);
	ck_assert_int_eq(symlinkat("/proc/self/exe", root, "proc"), 0);
	close(root);
	close(top);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

void
tree_fini(struct tree *t)
{
	nftw(t->top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

char
tree_byte(size_t i)
{
	return (char)((i * 31 + i / 4096 * 7 + i / 65536) & 0xff);
}

void
tree_add(const struct tree *t, const char *name, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", t->root, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	for (size_t i = 0; i < size; i++)
		putc(tree_byte(i), file);
	ck_assert_int_eq(fclose(file), 0);
}

void
tree_cut(const struct tree *t, const char *name, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", t->root, name);
	ck_assert_int_eq(truncate(path, (off_t)size), 0);
}
