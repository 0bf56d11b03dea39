/*
 * Opening listeners; see opening.h.
 */
#include "server/opening.h"

#include "server/inherited.h"

#include <errno.h>

/* What to do about it, for who reads the message. */
static const char *
advice_for(int code, const struct address *a)
{
	switch (code) {
	case EADDRINUSE:
		return "; end who listens there, or choose another address";
	case EADDRNOTAVAIL:
		return "; choose an address that this machine has, or 0.0.0.0 or [::] for all";
	case EACCES:
		return address_is_unix(a)
			   ? "; choose a directory in which this user may make files"
			   : "; choose a port from 1024 on, or start as root or with "
			     "CAP_NET_BIND_SERVICE";
	case ENOENT:
	case ENOTDIR:
		return "; make its directory first";
	default:
		return "";
	}
}

static int
borrow(struct listener *l, struct writer *why)
{
	int fd = inherited_find(address_name(&l->address), why);
	int err;

	if (fd < 0)
		return ERR_NOT_FOUND;
	err = listener_borrow(l, fd);
	if (err == ERR_ARGUMENT)
		writer_text(why, "that is no stream socket that listens; its unit needs "
				 "ListenStream= and Accept=no");
	else if (err)
		writer_format(why, "%s: %s", l->failed, strerror(errno));
	return err;
}

int
opening_listen(struct listener *l, struct writer *why)
{
	int code;

	writer_text(why, "cannot listen on ");
	address_write(&l->address, why);
	writer_text(why, ": ");
	if (address_name(&l->address).len > 0)
		return borrow(l, why);
	if (listener_open(l) == 0)
		return 0;
	code = errno;
	writer_format(why, "%s: %s%s", l->failed, strerror(code), advice_for(code, &l->address));
	return ERR_SYSTEM;
}
