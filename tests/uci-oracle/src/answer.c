/*
 * What libuci makes of a document: a run of strings, each ended by a zero byte.
 *
 *   accepted   "+", then for each section "s", type, name, "a" or "n" (anonymous or named), and for each of its
 *              options "o", name, value, or "l", name, the items with "i" before each
 *   refused    "-", line, reason
 *   else       "!", libuci's own words
 */
#include <stdio.h>
#include <stdlib.h>

#include "uci.h"
#include "uci_internal.h"

static void say(FILE *out, const char *text)
{
	fputs(text, out);
	fputc(0, out);
}

static void say_option(FILE *out, struct uci_option *option)
{
	struct uci_element *item;

	say(out, option->type == UCI_TYPE_LIST ? "l" : "o");
	say(out, option->e.name);
	if (option->type != UCI_TYPE_LIST) {
		say(out, option->v.string);
		return;
	}
	uci_foreach_element(&option->v.list, item) {
		say(out, "i");
		say(out, item->name);
	}
}

static void say_package(FILE *out, struct uci_package *package)
{
	struct uci_element *section, *option;

	say(out, "+");
	uci_foreach_element(&package->sections, section) {
		struct uci_section *it = uci_to_section(section);

		say(out, "s");
		say(out, it->type);
		say(out, it->e.name);
		say(out, it->anonymous ? "a" : "n");
		uci_foreach_element(&it->options, option)
			say_option(out, uci_to_option(option));
	}
}

static void say_error(FILE *out, struct uci_context *context)
{
	char *words = NULL;

	if (context->err == UCI_ERR_PARSE && context->pctx) {
		say(out, "-");
		fprintf(out, "%d%c", context->pctx->line, 0);
		say(out, context->pctx->reason ? context->pctx->reason : "");
		return;
	}
	uci_get_errorstr(context, &words, NULL);
	say(out, "!");
	say(out, words ? words : "");
	free(words);
}

/* The answer is to be freed with oracle_free. */
char *oracle_ask(char *text, size_t len, size_t *answer_len)
{
	char *answer = NULL;
	FILE *in = fmemopen(text, len, "r");
	FILE *out = open_memstream(&answer, answer_len);
	struct uci_context *context = uci_alloc_context();
	struct uci_package *package = NULL;

	if (!in || !out || !context)
		abort();
	if (uci_import(context, in, "any", &package, true) == UCI_OK && package)
		say_package(out, package);
	else
		say_error(out, context);
	uci_free_context(context);
	fclose(in);
	fclose(out);
	return answer;
}

void oracle_free(char *answer)
{
	free(answer);
}
