/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/pbtxt.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/utf8.h"

struct parser {
    const char *at, *end;
    const char *line_start;
    unsigned line;
    unsigned depth;
    struct pbtxt_doc *doc;
    struct strbuf text; /* of the value that is being read */
    struct detail *detail;
};

struct position {
    unsigned line, column;
};

static struct position position_now(const struct parser *parser)
{
    return (struct position){parser->line, (unsigned)(parser->at - parser->line_start) + 1};
}

static enum roost_err fail_at(struct parser *parser, struct position position, const char *format,
                              ...) __attribute__((format(printf, 3, 4)));

static enum roost_err fail_at(struct parser *parser, struct position position, const char *format,
                              ...)
{
    char text[DETAIL_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return detail_set(parser->detail, ROOST_INVALID, "line %u, column %u: %s", position.line,
                      position.column, text);
}

static enum roost_err fail_memory(struct parser *parser)
{
    return detail_set(parser->detail, ROOST_NO_MEMORY, "no memory for %u nodes",
                      (unsigned)PBTXT_NODES_MAX);
}

static int peek(const struct parser *parser)
{
    return parser->at < parser->end ? (unsigned char)*parser->at : -1;
}

static void skip_space(struct parser *parser)
{
    while (parser->at < parser->end) {
        char c = *parser->at;
        if (c == '#') {
            const char *end = memchr(parser->at, '\n', (size_t)(parser->end - parser->at));
            parser->at = end == NULL ? parser->end : end;
        } else if (c == '\n') {
            parser->at++;
            parser->line++;
            parser->line_start = parser->at;
        } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
            parser->at++;
        } else {
            return;
        }
    }
}

static bool is_word_start(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* What stands here, for a message: one character, or the end. */
static const char *found(const struct parser *parser, char out[24])
{
    int c = peek(parser);
    if (c < 0)
        (void)snprintf(out, 24, "the end of the text");
    else if (c > ' ' && c < 127)
        (void)snprintf(out, 24, "'%c'", c);
    else
        (void)snprintf(out, 24, "byte 0x%02x", (unsigned)c);
    return out;
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Up to `digits_max` digits of the base (8 or 16); how many there were. */
static unsigned read_digits(struct parser *parser, int base, unsigned digits_max, uint32_t *value)
{
    unsigned count = 0;
    *value = 0;
    while (count < digits_max) {
        int digit = hex_value(peek(parser));
        if (digit < 0 || digit >= base)
            break;
        *value = *value * (uint32_t)base + (uint32_t)digit;
        parser->at++;
        count++;
    }
    return count;
}

static void put_utf8(struct strbuf *out, uint32_t code)
{
    if (code < 0x80) {
        strbuf_putc(out, (char)code);
    } else if (code < 0x800) {
        strbuf_putc(out, (char)(0xc0 | code >> 6));
        strbuf_putc(out, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        strbuf_putc(out, (char)(0xe0 | code >> 12));
        strbuf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
        strbuf_putc(out, (char)(0x80 | (code & 0x3f)));
    } else {
        strbuf_putc(out, (char)(0xf0 | code >> 18));
        strbuf_putc(out, (char)(0x80 | (code >> 12 & 0x3f)));
        strbuf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
        strbuf_putc(out, (char)(0x80 | (code & 0x3f)));
    }
}

static enum roost_err parse_escape(struct parser *parser)
{
    static const char letters[] = "abfnrtv\\'\"?";
    static const char values[] = "\a\b\f\n\r\t\v\\'\"?";
    struct position position = position_now(parser);
    parser->at++;
    int c = peek(parser);
    uint32_t value;
    if (c >= '0' && c <= '7') {
        (void)read_digits(parser, 8, 3, &value);
        if (value > 0xff)
            return fail_at(parser, position, "an octal escape is at most \\377");
        strbuf_putc(&parser->text, (char)value);
        return ROOST_OK;
    }
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (c >= 0)
        parser->at++;
    if (letter != NULL) {
        strbuf_putc(&parser->text, values[letter - letters]);
        return ROOST_OK;
    }
    if (c == 'x' || c == 'X') {
        if (read_digits(parser, 16, 2, &value) == 0)
            return fail_at(parser, position, "\\x without a hexadecimal digit");
        strbuf_putc(&parser->text, (char)value);
        return ROOST_OK;
    }
    if (c == 'u' || c == 'U') {
        unsigned digits = c == 'u' ? 4 : 8;
        if (read_digits(parser, 16, digits, &value) != digits)
            return fail_at(parser, position, "\\%c needs %u hexadecimal digits", c, digits);
        if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return fail_at(parser, position, "U+%04X is not a character", value);
        put_utf8(&parser->text, value);
        return ROOST_OK;
    }
    return fail_at(parser, position, "unknown escape in a string");
}

/* One quoted piece, appended to parser->text. */
static enum roost_err parse_piece(struct parser *parser)
{
    struct position position = position_now(parser);
    char quote = *parser->at++;
    for (;;) {
        int c = peek(parser);
        if (c < 0 || c == '\n')
            return fail_at(parser, position, "a string without its closing %c", quote);
        if (c == quote) {
            parser->at++;
            return ROOST_OK;
        }
        if (c == '\\') {
            enum roost_err err = parse_escape(parser);
            if (err != ROOST_OK)
                return err;
        } else {
            strbuf_putc(&parser->text, (char)c);
            parser->at++;
        }
    }
}

static enum roost_err parse_string(struct parser *parser)
{
    struct position position = position_now(parser);
    do {
        enum roost_err err = parse_piece(parser);
        if (err != ROOST_OK)
            return err;
        skip_space(parser);
    } while (peek(parser) == '"' || peek(parser) == '\'');
    if (parser->text.failed)
        return fail_memory(parser);
    if (strlen(strbuf_text(&parser->text)) != parser->text.length)
        return fail_at(parser, position, "a string must not contain a zero byte");
    if (!utf8_valid(strbuf_text(&parser->text), parser->text.length))
        return fail_at(parser, position, "a string must be UTF-8");
    return ROOST_OK;
}

/* An identifier, or anything that begins like a number: the reader of the field judges it. */
static enum roost_err parse_word(struct parser *parser)
{
    if (peek(parser) == '-') {
        strbuf_putc(&parser->text, '-');
        parser->at++;
        skip_space(parser);
    }
    bool number = is_digit(peek(parser)) || peek(parser) == '.';
    if (!number && !is_word_start(peek(parser))) {
        char what[24];
        return fail_at(parser, position_now(parser), "expected a value, not %s",
                       found(parser, what));
    }
    bool hex = false;
    for (int before = 0;; parser->at++) {
        int c = peek(parser);
        bool sign = number && !hex && (c == '+' || c == '-') && (before == 'e' || before == 'E');
        if (!is_word_start(c) && !is_digit(c) && !(number && c == '.') && !sign)
            break;
        hex = hex || c == 'x' || c == 'X';
        before = c;
        strbuf_putc(&parser->text, (char)c);
    }
    return parser->text.failed ? fail_memory(parser) : ROOST_OK;
}

static enum roost_err parse_fields(struct parser *parser, struct pbtxt_node *parent, int closing);

/* One value of field `name`, as a new child of `parent`. */
static enum roost_err parse_value(struct parser *parser, struct pbtxt_node *parent,
                                  const char *name, struct position position, bool listed)
{
    int c = peek(parser);
    bool message = c == '{' || c == '<';
    enum pbtxt_kind kind = message ? PBTXT_MESSAGE : PBTXT_WORD;
    struct position start = position_now(parser);
    strbuf_reset(&parser->text);
    enum roost_err err = ROOST_OK;
    if (c == '"' || c == '\'') {
        kind = PBTXT_STRING;
        err = parse_string(parser);
    } else if (!message) {
        err = parse_word(parser);
    }
    if (err != ROOST_OK)
        return err;
    struct pbtxt_node *node = pbtxt_add(parser->doc, parent, kind, name,
                                        strbuf_text(&parser->text));
    if (node == NULL)
        return fail_memory(parser);
    node->listed = listed;
    node->line = listed ? start.line : position.line;
    node->column = listed ? start.column : position.column;
    if (!message)
        return ROOST_OK;
    parser->at++;
    return parse_fields(parser, node, c == '{' ? '}' : '>');
}

static enum roost_err parse_list(struct parser *parser, struct pbtxt_node *parent, const char *name,
                                 struct position position)
{
    char what[24];
    parser->at++;
    skip_space(parser);
    if (peek(parser) == ']') {
        parser->at++;
        return ROOST_OK;
    }
    for (;;) {
        enum roost_err err = parse_value(parser, parent, name, position, true);
        if (err != ROOST_OK)
            return err;
        skip_space(parser);
        int c = peek(parser);
        if (c != ',' && c != ']')
            return fail_at(parser, position_now(parser), "expected ',' or ']' in %s, not %s", name,
                           found(parser, what));
        parser->at++;
        skip_space(parser);
        if (c == ']')
            return ROOST_OK;
    }
}

/* `name: value`, `name { ... }`, `name [ ... ]`. */
static enum roost_err parse_field(struct parser *parser, struct pbtxt_node *parent)
{
    char name[128], what[24];
    size_t length = 0;
    struct position position = position_now(parser);
    if (!is_word_start(peek(parser)))
        return fail_at(parser, position, "expected the name of a field, not %s",
                       found(parser, what));
    while (is_word_start(peek(parser)) || is_digit(peek(parser))) {
        if (length + 1 >= sizeof(name))
            return fail_at(parser, position, "the name of a field is longer than %zu bytes",
                           sizeof(name) - 1);
        name[length++] = *parser->at++;
    }
    name[length] = '\0';
    skip_space(parser);
    int c = peek(parser);
    if (c == ':') {
        parser->at++;
        skip_space(parser);
        c = peek(parser);
    } else if (c != '{' && c != '<' && c != '[') {
        return fail_at(parser, position_now(parser), "expected ':' or '{' after %s, not %s", name,
                       found(parser, what));
    }
    if (c == '[')
        return parse_list(parser, parent, name, position);
    return parse_value(parser, parent, name, position, false);
}

/* Fields until `closing`, which is eaten; -1: until the end of the text. */
static enum roost_err parse_fields(struct parser *parser, struct pbtxt_node *parent, int closing)
{
    if (parser->depth >= PBTXT_DEPTH_MAX)
        return fail_at(parser, position_now(parser), "nested deeper than %d messages",
                       PBTXT_DEPTH_MAX);
    parser->depth++;
    for (;;) {
        skip_space(parser);
        int c = peek(parser);
        if (c == closing) {
            parser->at += c >= 0 ? 1 : 0;
            parser->depth--;
            return ROOST_OK;
        }
        if (c < 0)
            return fail_at(parser, position_now(parser),
                           "the message %s that begins at line %u "
                           "has no closing '%c'",
                           parent->name, parent->line, closing);
        enum roost_err err = parse_field(parser, parent);
        if (err != ROOST_OK)
            return err;
        skip_space(parser);
        if (peek(parser) == ',' || peek(parser) == ';')
            parser->at++;
    }
}

enum roost_err pbtxt_parse(const char *text, size_t length, struct pbtxt_doc **doc,
                           struct detail *detail)
{
    if (length > PBTXT_BYTES_MAX)
        return detail_set(detail, ROOST_INVALID, "%zu bytes; at most %d are read", length,
                          PBTXT_BYTES_MAX);
    struct parser parser = {
        .at = text,
        .end = text + length,
        .line_start = text,
        .line = 1,
        .doc = pbtxt_doc_new(),
        .detail = detail,
    };
    if (parser.doc == NULL)
        return fail_memory(&parser);
    strbuf_init(&parser.text);
    enum roost_err err = parse_fields(&parser, pbtxt_root_edit(parser.doc), -1);
    strbuf_fini(&parser.text);
    if (err == ROOST_OK)
        *doc = parser.doc;
    else
        pbtxt_doc_free(parser.doc);
    return err;
}
