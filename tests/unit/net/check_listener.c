/*
 * Listeners: binding, paths, and closing without losing anybody.
 */
#include "net/listener.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

Suite *suite_net_listener(void);

static char dir[] = "/tmp/check_listener_XXXXXX";
static char path[sizeof(dir) + 8];

static void
make_dir(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
}

static void
remove_dir(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct listener
on_path(void)
{
	struct listener l = { .fd = -1, .backlog = 2 };
	char text[sizeof(path) + 8];

	snprintf(text, sizeof(text), "unix:%s", path);
	ck_assert_int_eq(address_parse(&l.address, slice_of(text)), 0);
	return l;
}

static struct listener
on_tcp(const char *address)
{
	struct listener l = { .fd = -1, .backlog = 16 };

	ck_assert_int_eq(address_parse(&l.address, slice_of(address)), 0);
	return l;
}

/* The port that the kernel chose. */
static void
learn_port(struct listener *l)
{
	l->address.len = sizeof(l->address.of);
	ck_assert_int_eq(getsockname(l->fd, &l->address.of.any, &l->address.len), 0);
}

static int
client_of(const struct listener *l)
{
	int fd = socket(l->address.of.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, &l->address.of.any, l->address.len) == 0 || errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

START_TEST(accepts_without_blocking_and_without_delay)
{
	struct listener l = on_tcp("127.0.0.1:0");
	struct address peer;
	int client, fd, value = 0;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(listener_open(&l), 0);
	learn_port(&l);
	ck_assert_int_eq(listener_accept(&l, &peer), -1);
	ck_assert_int_eq(errno, EAGAIN);
	client = client_of(&l);
	fd = listener_accept(&l, &peer);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(peer.of.any.sa_family, AF_INET);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	ck_assert_int_ne(value, 0);
	close(fd);
	close(client);
	listener_close(&l);
	listener_close(&l); /* idempotent */
}
END_TEST

START_TEST(a_busy_port_is_told)
{
	struct listener first = on_tcp("127.0.0.1:0"), second;

	ck_assert_int_eq(listener_open(&first), 0);
	learn_port(&first);
	second = first;
	ck_assert_int_eq(listener_open(&second), ERR_SYSTEM);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_str_eq(second.failed, "bind");
	ck_assert_int_eq(second.fd, -1);
	listener_close(&first);
}
END_TEST

START_TEST(a_deferred_connection_comes_with_its_first_bytes)
{
	struct listener l = on_tcp("127.0.0.1:0");
	struct address peer;
	int client, fd;

	l.is_deferred = true;
	ck_assert_int_eq(listener_open(&l), 0);
	learn_port(&l);
	client = client_of(&l);
	ck_assert_int_eq(listener_accept(&l, &peer), -1);
	ck_assert_int_eq(send(client, "x", 1, 0), 1);
	fd = listener_accept(&l, &peer);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(client);
	listener_close(&l);
}
END_TEST

START_TEST(stopped_for_new_ones_still_accepts_those_who_began)
{
	struct listener l = on_tcp("127.0.0.1:0");
	struct address peer;
	int before, after, fd, error = -1;
	socklen_t len = sizeof(error);

	l.is_deferred = true;
	ck_assert_int_eq(listener_open(&l), 0);
	learn_port(&l);
	before = client_of(&l);
	listener_stop_new(&l);
	after = client_of(&l);
	ck_assert_int_eq(send(before, "x", 1, 0), 1);
	fd = listener_accept(&l, &peer);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(listener_accept(&l, &peer), -1);
	/* Still shaking hands: not connected. */
	ck_assert_int_eq(send(after, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(getsockopt(after, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	close(fd);
	close(before);
	close(after);
	listener_close(&l);
}
END_TEST

/* Where only root may have socket filters, and the daemon seldom is. */
START_TEST(stopped_by_a_user_without_rights_too)
{
	struct listener l = on_tcp("127.0.0.1:0");
	struct address peer;
	char byte = 0;
	int before, after, fd;

	if (getenv("CK_FORK") && strcmp(getenv("CK_FORK"), "no") == 0)
		return; /* all later tests would be that user's */
	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	l.is_deferred = true;
	ck_assert_int_eq(listener_open(&l), 0);
	learn_port(&l);
	before = client_of(&l);
	listener_stop_new(&l);
	after = client_of(&l);
	ck_assert_int_eq(send(before, "x", 1, 0), 1);
	fd = listener_accept(&l, &peer);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_eq(send(fd, "y", 1, 0), 1);
	ck_assert_int_eq(recv(before, &byte, 1, 0), 1);
	/* Refused, or still shaking hands. */
	if (after >= 0) {
		ck_assert_int_eq(send(after, "x", 1, MSG_NOSIGNAL), -1);
		close(after);
	}
	ck_assert_int_eq(listener_accept(&l, &peer), -1);
	close(fd);
	close(before);
	listener_close(&l);
}
END_TEST

START_TEST(a_path_has_its_mode_from_the_first_moment)
{
	struct listener l;
	struct stat st;

	make_dir();
	l = on_path();
	l.mode = 0600;
	ck_assert_int_eq(listener_open(&l), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	listener_close(&l);
	ck_assert_int_ne(stat(path, &st), 0);
	remove_dir();
}
END_TEST

START_TEST(a_path_that_nobody_serves_is_replaced)
{
	struct listener dead, l;

	make_dir();
	dead = on_path();
	ck_assert_int_eq(listener_open(&dead), 0);
	close(dead.fd); /* as when a process dies */
	l = on_path();
	ck_assert_int_eq(listener_open(&l), 0);
	listener_close(&l);
	remove_dir();
}
END_TEST

START_TEST(a_path_that_somebody_serves_is_busy)
{
	struct listener alive, l;
	struct stat st;

	make_dir();
	alive = on_path();
	ck_assert_int_eq(listener_open(&alive), 0);
	l = on_path();
	ck_assert_int_eq(listener_open(&l), ERR_SYSTEM);
	ck_assert_int_eq(errno, EADDRINUSE);
	listener_close(&l);
	ck_assert_int_eq(stat(path, &st), 0);
	listener_close(&alive);
	remove_dir();
}
END_TEST

START_TEST(a_path_whose_server_is_too_busy_to_answer_is_busy)
{
	struct listener alive, l;
	int clients[8];

	make_dir();
	alive = on_path();
	alive.backlog = 0;
	ck_assert_int_eq(listener_open(&alive), 0);
	for (unsigned i = 0; i < 8; i++)
		clients[i] = client_of(&alive);
	ck_assert_int_eq(clients[7], -1);
	l = on_path();
	ck_assert_int_eq(listener_open(&l), ERR_SYSTEM); /* and does not hang */
	ck_assert_int_eq(errno, EADDRINUSE);
	for (unsigned i = 0; i < 8; i++) {
		if (clients[i] >= 0)
			close(clients[i]);
	}
	listener_close(&alive);
	remove_dir();
}
END_TEST

START_TEST(a_file_in_the_way_is_never_removed)
{
	struct listener l;
	struct stat st;
	int fd;

	make_dir();
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	l = on_path();
	ck_assert_int_eq(listener_open(&l), ERR_SYSTEM);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_int_eq(stat(path, &st), 0);
	listener_close(&l);
	ck_assert_int_eq(stat(path, &st), 0);
	remove_dir();
}
END_TEST

START_TEST(closing_does_not_remove_the_path_of_a_successor)
{
	struct listener old, successor;
	struct stat st;

	make_dir();
	old = on_path();
	ck_assert_int_eq(listener_open(&old), 0);
	listener_stop_new(&old);
	ck_assert_int_ne(stat(path, &st), 0);
	successor = on_path();
	ck_assert_int_eq(listener_open(&successor), 0);
	listener_close(&old);
	ck_assert_int_eq(stat(path, &st), 0);
	listener_close(&successor);
	ck_assert_int_ne(stat(path, &st), 0);
	remove_dir();
}
END_TEST

START_TEST(a_borrowed_socket_outlives_its_listener)
{
	struct listener made = on_tcp("127.0.0.1:0"), l = { .fd = -1, .backlog = 2 };
	struct address peer;
	int client, fd;

	ck_assert_int_eq(address_parse_listening(&l.address, SLICE("systemd:web")), 0);
	ck_assert_int_eq(listener_open(&made), 0);
	learn_port(&made);
	fcntl(made.fd, F_SETFL, 0);
	ck_assert_int_eq(listener_borrow(&l, made.fd), 0);
	ck_assert(fcntl(made.fd, F_GETFL) & O_NONBLOCK);
	listener_stop_new(&l);
	listener_close(&l);
	ck_assert_int_eq(l.fd, -1);
	/* For whoever has it next. */
	client = client_of(&made);
	fd = listener_accept(&made, &peer);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(client);
	listener_close(&made);
}
END_TEST

START_TEST(a_borrowed_path_is_not_removed)
{
	struct listener made, l = { .fd = -1, .backlog = 2 };
	struct stat st;

	make_dir();
	made = on_path();
	ck_assert_int_eq(address_parse_listening(&l.address, SLICE("systemd:web")), 0);
	ck_assert_int_eq(listener_open(&made), 0);
	ck_assert_int_eq(listener_borrow(&l, made.fd), 0);
	listener_stop_new(&l);
	listener_close(&l);
	ck_assert_int_eq(stat(path, &st), 0);
	listener_close(&made);
	remove_dir();
}
END_TEST

START_TEST(only_a_stream_socket_that_listens_is_borrowed)
{
	struct listener l = { .fd = -1 };
	int ends[2], datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(listener_borrow(&l, datagram), ERR_ARGUMENT);
	ck_assert_int_eq(listener_borrow(&l, idle), ERR_ARGUMENT);
	ck_assert_int_eq(listener_borrow(&l, ends[0]), ERR_ARGUMENT);
	ck_assert_int_eq(l.fd, -1);
	close(datagram);
	close(idle);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

Suite *
suite_net_listener(void)
{
	Suite *s = suite_create("net/listener");
	TCase *t = tcase_create("listener");

	suite_add_tcase(s, t);
	tcase_add_test(t, accepts_without_blocking_and_without_delay);
	tcase_add_test(t, a_busy_port_is_told);
	tcase_add_test(t, a_deferred_connection_comes_with_its_first_bytes);
	tcase_add_test(t, stopped_for_new_ones_still_accepts_those_who_began);
	tcase_add_test(t, stopped_by_a_user_without_rights_too);
	tcase_add_test(t, a_path_has_its_mode_from_the_first_moment);
	tcase_add_test(t, a_path_that_nobody_serves_is_replaced);
	tcase_add_test(t, a_path_that_somebody_serves_is_busy);
	tcase_add_test(t, a_path_whose_server_is_too_busy_to_answer_is_busy);
	tcase_add_test(t, a_file_in_the_way_is_never_removed);
	tcase_add_test(t, closing_does_not_remove_the_path_of_a_successor);
	tcase_add_test(t, a_borrowed_socket_outlives_its_listener);
	tcase_add_test(t, a_borrowed_path_is_not_removed);
	tcase_add_test(t, only_a_stream_socket_that_listens_is_borrowed);
	return s;
}
