/*
 * Dropping root; see privileges.h.
 */
#include "server/privileges.h"

#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

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

int
privileges_drop(struct slice user)
{
	struct identity who;

	if (geteuid() != 0) {
		if (user.len)
			log_notice("not root: [server] user = %.*s is ignored", SLICE_PRINT(user));
		return 0;
	}
	if (user.len == 0) {
		log_warning("running as root: set [server] user");
		return 0;
	}
	if (find_user(user, &who) != 0) {
		log_error("[server] user: there is no user %.*s", SLICE_PRINT(user));
		return ERR_NOT_FOUND;
	}
	if (become(&who) != 0) {
		log_error("[server] user: cannot become %.*s: %s", SLICE_PRINT(user),
			  strerror(errno));
		return ERR_SYSTEM;
	}
	return 0;
}
