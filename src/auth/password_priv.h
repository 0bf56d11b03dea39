/*
 * Kinds of password hashes, for password.c alone.
 */
#ifndef FOREBAY_AUTH_PASSWORD_PRIV_H
#define FOREBAY_AUTH_PASSWORD_PRIV_H

#include "auth/password.h"

extern const struct password_kind password_bcrypt, password_bcrypt_a, password_bcrypt_y;
extern const struct password_kind password_argon2;

#endif
