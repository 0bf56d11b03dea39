/*
 * Socket addresses as they stand in a configuration: "0.0.0.0:8080",
 * "[::]:8080", "unix:/path". Literal only: names are resolved elsewhere. Where
 * to listen may also be "systemd:NAME": a socket that this process is given.
 */
#ifndef FOREBAY_BASE_ADDRESS_H
#define FOREBAY_BASE_ADDRESS_H

#include "base/slice.h"
#include "base/writer.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ADDRESS_NAME_BYTES = 108 }; /* of systemd:NAME, with the NUL behind it */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un path;
		struct {
			sa_family_t family; /* AF_UNSPEC */
			char text[ADDRESS_NAME_BYTES];
		} name;
	} of;
	socklen_t len;
};

/* Parses one of the three forms above. ERR_SYNTAX with nothing changed. */
int address_parse(struct address *a, struct slice text) __attribute__((warn_unused_result));
/* The same, or systemd:NAME. */
int address_parse_listening(struct address *a, struct slice text)
    __attribute__((warn_unused_result));
/* A host alone, without brackets, and a port: IPv4 or IPv6 as inet_pton(3) has them. ERR_SYNTAX
 * with nothing changed. */
int address_parse_host(struct address *a, struct slice host, uint16_t port)
    __attribute__((warn_unused_result));
/* ::ffff:192.0.2.1 becomes 192.0.2.1: whoever compares addresses sees one form. */
void address_unmap(struct address *a);
/* Whoever counts clients sees one form of each: unmapped, and of IPv6 the /64 alone, which is one
 * customer's, who can use all of it. */
void address_to_client(struct address *a);
/* As it would stand in a configuration. */
void address_write(const struct address *a, struct writer *w);
/* The host alone, without port ("unix" for a path): the client's address in templates and logs. */
void address_write_host(const struct address *a, struct writer *w);
/* 0 for a unix path. */
uint16_t address_port(const struct address *a);
bool address_is_unix(const struct address *a);
/* NAME of systemd:NAME, which is no address to bind or to connect to; empty for any other. */
struct slice address_name(const struct address *a);
/* To the last byte; two that are not set are equal. */
bool address_eq(const struct address *a, const struct address *b);

#endif
