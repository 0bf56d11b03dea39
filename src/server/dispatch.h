/*
 * Where the two halves are plugged together: an exchange from proto/ meets its
 * route and starts the route's plan. On workers.
 */
#ifndef FOREBAY_SERVER_DISPATCH_H
#define FOREBAY_SERVER_DISPATCH_H

#include "http/exchange.h"

/* exchange->host is a struct worker. */
extern const struct exchange_app dispatch_app;

#endif
