/*
 * The budget of one HTTP/2 connection; see h2_budget.h.
 */
#include "wire/h2_budget.h"

#include "base/clock.h"

/* What a frame costs, by its type. */
static const struct price {
	uint8_t waste; /* enum h2_waste */
	uint8_t tokens;
} prices[] = {
	[H2_FRAME_DATA] = { H2_WASTE_NONE, 0 },
	[H2_FRAME_HEADERS] = { H2_WASTE_NONE, 0 },
	[H2_FRAME_PRIORITY] = { H2_WASTE_PRIORITY, 1 },
	[H2_FRAME_RST_STREAM] = { H2_WASTE_RESET, 1 },
	[H2_FRAME_SETTINGS] = { H2_WASTE_SETTINGS, 4 },
	[H2_FRAME_PUSH_PROMISE] = { H2_WASTE_UNKNOWN, 1 },
	[H2_FRAME_PING] = { H2_WASTE_PING, 1 },
	[H2_FRAME_GOAWAY] = { H2_WASTE_UNKNOWN, 1 },
	[H2_FRAME_WINDOW_UPDATE] = { H2_WASTE_WINDOW, 1 },
	[H2_FRAME_CONTINUATION] = { H2_WASTE_EMPTY, 1 },
	[H2_FRAME_PRIORITY_UPDATE] = { H2_WASTE_PRIORITY, 1 },
};

enum {
	PRICES = sizeof(prices) / sizeof(prices[0]),
	SMALL_DATA = 256, /* bytes of DATA */
};

void
h2_budget_init(struct h2_budget *b, uint64_t now_ns)
{
	*b = (struct h2_budget){
		.filled_ns = now_ns,
		.tokens = H2_BUDGET_TOKENS,
		.updates = H2_BUDGET_UPDATES,
	};
}

static void
fill(struct h2_budget *b, uint64_t now_ns)
{
	uint64_t tokens = (now_ns - b->filled_ns) / (CLOCK_SEC / H2_BUDGET_PER_SECOND);

	if (tokens == 0)
		return;
	b->filled_ns += tokens * (CLOCK_SEC / H2_BUDGET_PER_SECOND);
	b->tokens =
	    tokens < H2_BUDGET_TOKENS - b->tokens ? b->tokens + (uint32_t)tokens : H2_BUDGET_TOKENS;
}

bool
h2_budget_charge(struct h2_budget *b, enum h2_waste waste, uint32_t tokens, uint64_t now_ns)
{
	fill(b, now_ns);
	b->spent[waste] += tokens;
	if (b->tokens < tokens)
		return false;
	b->tokens -= tokens;
	return true;
}

/* Browsers change their minds about what they have asked for. */
static void
earn_priorities(struct h2_budget *b, const struct h2_frame_head *head)
{
	if (head->type == H2_FRAME_HEADERS)
		b->priorities += H2_BUDGET_PRIORITIES;
	if (b->priorities > H2_BUDGET_PRIORITIES_EARNED)
		b->priorities = H2_BUDGET_PRIORITIES_EARNED;
}

/* Whether something before it has paid for it. */
static bool
is_earned(struct h2_budget *b, const struct h2_frame_head *head)
{
	uint32_t *earned = NULL;

	if (head->type == H2_FRAME_WINDOW_UPDATE ||
	    (head->type == H2_FRAME_PING && !(head->flags & H2_FLAG_ACK)))
		earned = &b->updates;
	else if (head->type == H2_FRAME_PRIORITY || head->type == H2_FRAME_PRIORITY_UPDATE)
		earned = &b->priorities;
	if (!earned || *earned == 0)
		return false;
	--*earned;
	return true;
}

bool
h2_budget_charge_frame(struct h2_budget *b, const struct h2_frame_head *head, uint64_t now_ns)
{
	struct price price = { H2_WASTE_UNKNOWN, 1 };

	if (head->type < PRICES && (prices[head->type].waste || head->type <= H2_FRAME_HEADERS))
		price = prices[head->type];
	if (is_earned(b, head))
		return true;
	earn_priorities(b, head);
	/* An END_STREAM has its use. */
	if (head->type <= H2_FRAME_HEADERS && head->length == 0 &&
	    !(head->flags & H2_FLAG_END_STREAM))
		price = (struct price){ H2_WASTE_EMPTY, 1 };
	return price.tokens == 0 || h2_budget_charge(b, price.waste, price.tokens, now_ns);
}

void
h2_budget_earn(struct h2_budget *b)
{
	if (b->tokens < H2_BUDGET_TOKENS)
		b->tokens++;
}

void
h2_budget_earn_updates(struct h2_budget *b, size_t sent, size_t left)
{
	if (sent < SMALL_DATA && left > 0)
		return;
	b->updates += H2_BUDGET_UPDATES_PER_DATA;
	if (b->updates > H2_BUDGET_EARNED)
		b->updates = H2_BUDGET_EARNED;
}

enum h2_waste
h2_budget_reason(const struct h2_budget *b)
{
	enum h2_waste most = H2_WASTE_UNKNOWN;

	for (unsigned i = 1; i < H2_WASTE_COUNT; i++) {
		if (b->spent[i] > b->spent[most])
			most = (enum h2_waste)i;
	}
	return most;
}
