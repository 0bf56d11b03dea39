/*
 * Dropping root; see privileges.h.
 */
#include "server/privileges.h"

#include "base/log.h"
#include "server/site.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_FREE_PORT = 1024 };

struct identity {
	const char *name; /* whose groups; NULL: a number that nobody bears, and no groups */
	uid_t uid;
	gid_t gid;
};

/* Text of a slice that a NUL follows, as all texts of a configuration. A
 * container often has numbers without names: then the group is the same number. */
static int
find_user(struct slice user, struct identity *who)
{
	const struct passwd *found = getpwnam(user.at);
	uint64_t id = 0;

	if (!found && (slice_to_u64(user, &id) != 0 || id >= UINT32_MAX))
		return ERR_NOT_FOUND;
	if (!found)
		found = getpwuid((uid_t)id);
	if (found)
		*who = (struct identity){ found->pw_name, found->pw_uid, found->pw_gid };
	else
		*who = (struct identity){ NULL, (uid_t)id, (gid_t)id };
	return 0;
}

static int
become(const struct identity *who)
{
	int failed = who->name ? initgroups(who->name, who->gid) : setgroups(0, NULL);

	return failed || setgid(who->gid) != 0 || setuid(who->uid) != 0 ? ERR_SYSTEM : 0;
}

/* --- the one capability ------------------------------------------------------------------ */

static bool
is_low(const struct address *a)
{
	uint16_t port = address_port(a);

	return port > 0 && port < FIRST_FREE_PORT;
}

static bool
has_low_port(const struct site *s)
{
	bool is_any = is_low(&s->admin_listen);

	for (unsigned i = 0; i < s->listener_count; i++)
		is_any |= is_low(&s->listeners[i].address);
	return is_any;
}

/* The C library knows nothing of these two. */
static int
read_sets(struct __user_cap_data_struct set[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &head, set) == 0 ? 0 : ERR_SYSTEM;
}

static int
write_sets(const struct __user_cap_data_struct set[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capset, &head, set) == 0 ? 0 : ERR_SYSTEM;
}

/* `others`: the capabilities besides it that stay as they are. Out of the inheritable set
 * is out of the ambient one: programs that are started do not get it. */
static int
limit_capabilities(bool keeps_ports, uint32_t others)
{
	const uint32_t bind = UINT32_C(1) << CAP_NET_BIND_SERVICE;
	uint32_t kept = keeps_ports ? others | bind : others & ~bind;
	struct __user_cap_data_struct set[2];

	if (read_sets(set) != 0)
		return ERR_SYSTEM;
	set[0].permitted &= kept;
	set[0].effective = (set[0].effective & kept) | (set[0].permitted & kept & bind);
	set[0].inheritable &= others & ~bind;
	if (others == 0)
		set[1] = (struct __user_cap_data_struct){ 0 };
	return write_sets(set);
}

/* --- as a whole -------------------------------------------------------------------------- */

/* Permitted capabilities outlive the change of user, effective ones do not. */
static int
become_user(const struct site *site)
{
	struct identity who;
	bool keeps_ports = has_low_port(site);

	if (find_user(site->user, &who) != 0) {
		log_error("[server] user: there is no user %.*s", SLICE_PRINT(site->user));
		return ERR_NOT_FOUND;
	}
	if (prctl(PR_SET_KEEPCAPS, keeps_ports, 0, 0, 0) != 0 || become(&who) != 0) {
		log_error("[server] user: cannot become %.*s: %s%s", SLICE_PRINT(site->user),
			  strerror(errno),
			  errno == EPERM ? "; start as root, or as that user, or allow CAP_SETUID "
					   "and CAP_SETGID"
					 : "");
		return ERR_SYSTEM;
	}
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (who.uid == 0 || limit_capabilities(keeps_ports, 0) == 0)
		return 0;
	log_error("[server] user: cannot give up capabilities: %s", strerror(errno));
	return ERR_SYSTEM;
}

void
privileges_give(const struct site *site, const char *path)
{
	struct identity who;

	if (geteuid() != 0 || site->user.len == 0 || find_user(site->user, &who) != 0)
		return; /* if there is no such user, dropping says so */
	if (lchown(path, who.uid, who.gid) != 0)
		log_warning("%s: cannot be given to user %.*s: %s", path, SLICE_PRINT(site->user),
			    strerror(errno));
}

int
privileges_drop(const struct site *site)
{
	if (geteuid() != 0) {
		if (site->user.len)
			log_notice("not root: [server] user = %.*s is ignored",
				   SLICE_PRINT(site->user));
		/* A sandbox that allows no capset: what was given stays, and does no harm. */
		if (limit_capabilities(has_low_port(site), UINT32_MAX) != 0)
			log_notice("capset: %s: CAP_NET_BIND_SERVICE stays", strerror(errno));
		return 0;
	}
	if (site->user.len == 0) {
		log_warning("running as root: set [server] user");
		return 0;
	}
	return become_user(site);
}

void
privileges_check_files(const struct site *site, struct conf_errors *e)
{
	const struct conf_section *server = conf_find(site->conf, SLICE("server"), SLICE(""));

	for (const struct conf_file *f = site->conf->files; f; f = f->next) {
		if (access(f->name, R_OK) != 0)
			conf_warning_at(e, server, "user",
					"%s cannot read %s (%s): a reload will fail", site->user.at,
					f->name, strerror(errno));
	}
}
