/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a parsed config along the table. */
#include "serve/model_config_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/options.h"

enum { MESSAGE_FIELDS_MAX = 64 };

enum roost_err config_fail(struct config_reader *reader, enum roost_err err, const char *format,
                           ...)
{
    char text[DETAIL_BYTES_MAX], place[64] = "";
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (reader->node->line > 0)
        (void)snprintf(place, sizeof(place), "line %u, column %u: ", reader->node->line,
                       reader->node->column);
    const char *colon = reader->path[0] != '\0' ? ": " : "";
    reader->err = err;
    return detail_set(reader->detail, err, "%s%s%s%s", place, reader->path, colon, text);
}

/* Whole lines only, so that what does not fit leaves a mark instead of half a sentence. */
void config_warn(struct config_reader *reader, const char *format, ...)
{
    static const char more[] = "further warnings are left out\n";
    char text[DETAIL_BYTES_MAX], line[sizeof(text) + sizeof(reader->path) + 32];
    if (reader->quiet)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (reader->json)
        (void)snprintf(line, sizeof(line), "%s: %s\n", reader->path, text);
    else
        (void)snprintf(line, sizeof(line), "%u: %s: %s\n", reader->node->line, reader->path, text);
    char *warnings = reader->config->warnings;
    size_t used = strlen(warnings), room = sizeof(reader->config->warnings) - sizeof(more);
    if (used + strlen(line) < room)
        memcpy(warnings + used, line, strlen(line) + 1);
    else if (used < sizeof(more) || strcmp(warnings + used - (sizeof(more) - 1), more) != 0)
        memcpy(warnings + used, more, sizeof(more));
}

/* Names in JSON may be lowerCamelCase as well, as protobuf's own JSON has them. */
static bool name_matches(const char *field, const char *given, bool json)
{
    if (strcmp(field, given) == 0)
        return true;
    if (!json)
        return false;
    for (; *field != '\0'; field++, given++) {
        char c = *field;
        if (c == '_' && field[1] != '\0')
            c = (char)toupper((unsigned char)*++field);
        if (c != *given)
            return false;
    }
    return *given == '\0';
}

static const struct config_field *find_field(const struct config_message *message, const char *name,
                                             bool json)
{
    for (size_t i = 0; i < message->count; i++)
        if (name_matches(message->fields[i].name, name, json))
            return &message->fields[i];
    return NULL;
}

static enum roost_err fail_unknown(struct config_reader *reader,
                                   const struct config_message *message)
{
    const char *names[MESSAGE_FIELDS_MAX];
    roost_assert(message->count == 0 || message->fields != NULL);
    for (size_t i = 0; i < message->count; i++)
        names[i] = message->fields[i].name;
    const char *near = nearest_name(reader->node->name, names, message->count);
    if (near != NULL)
        return config_fail(reader, ROOST_INVALID, "unknown field %s; did you mean %s?",
                           reader->node->name, near);
    return config_fail(reader, ROOST_INVALID, "unknown field %s", reader->node->name);
}

/* Decimal, octal with a leading 0, or hexadecimal; a JSON string may hold a decimal number. */
static bool parse_integer(const char *text, bool is_unsigned, struct config_value *value)
{
    const char *digits = text + (*text == '-' ? 1 : 0);
    if (!isdigit((unsigned char)*digits) || (is_unsigned && *text == '-'))
        return false;
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    int base = hex ? 16 : digits[0] == '0' ? 8 : 10;
    char *end = NULL;
    errno = 0;
    if (is_unsigned)
        value->natural = strtoull(text, &end, base);
    else
        value->integer = strtoll(text, &end, base);
    return errno == 0 && *end == '\0';
}

static enum roost_err parse_number(struct config_reader *reader, enum field_type type,
                                   struct config_value *value)
{
    static const struct {
        int64_t minimum, maximum;
        const char *what;
    } ranges[] = {
        [FIELD_INT32] = {INT32_MIN, INT32_MAX, "a 32-bit integer"},
        [FIELD_INT64] = {INT64_MIN, INT64_MAX, "a 64-bit integer"},
        [FIELD_UINT32] = {0, UINT32_MAX, "a 32-bit integer of at least 0"},
        [FIELD_UINT64] = {0, 0, "a 64-bit integer of at least 0"},
    };
    const struct pbtxt_node *node = reader->node;
    bool is_unsigned = type == FIELD_UINT64;
    bool fits = node->kind == PBTXT_WORD || (node->kind == PBTXT_STRING && reader->json);
    fits = fits && parse_integer(node->text, is_unsigned, value);
    if (fits && !is_unsigned)
        fits = value->integer >= ranges[type].minimum && value->integer <= ranges[type].maximum;
    if (!fits)
        return config_fail(reader, ROOST_INVALID, "expected %s, not %s", ranges[type].what,
                           node->kind == PBTXT_MESSAGE ? "a message" : node->text);
    return ROOST_OK;
}

static enum roost_err parse_float(struct config_reader *reader, struct config_value *value)
{
    const struct pbtxt_node *node = reader->node;
    char *end = NULL;
    value->number = strtod(node->text, &end);
    bool f = end != node->text && !reader->json && (*end == 'f' || *end == 'F');
    if (node->kind != PBTXT_WORD || end == node->text || end[f ? 1 : 0] != '\0')
        return config_fail(reader, ROOST_INVALID, "expected a number, not %s",
                           node->kind == PBTXT_MESSAGE ? "a message" : node->text);
    return ROOST_OK;
}

static enum roost_err parse_bool(struct config_reader *reader, struct config_value *value)
{
    static const char *const yes[] = {"true", "True", "t", "1"};
    static const char *const no[] = {"false", "False", "f", "0"};
    const struct pbtxt_node *node = reader->node;
    size_t forms = reader->json ? 1 : sizeof(yes) / sizeof(yes[0]);
    for (size_t i = 0; i < forms && node->kind == PBTXT_WORD; i++) {
        value->integer = strcmp(node->text, yes[i]) == 0;
        if (value->integer != 0 || strcmp(node->text, no[i]) == 0)
            return ROOST_OK;
    }
    return config_fail(reader, ROOST_INVALID, "expected true or false, not %s",
                       node->kind == PBTXT_MESSAGE ? "a message" : node->text);
}

static enum roost_err parse_enum(struct config_reader *reader, const struct config_field *field,
                                 struct config_value *value)
{
    const struct pbtxt_node *node = reader->node;
    enum pbtxt_kind kind = reader->json && !isdigit((unsigned char)node->text[0]) ? PBTXT_STRING
                                                                                  : PBTXT_WORD;
    size_t count = 0;
    while (field->choices[count] != NULL)
        count++;
    if (node->kind == kind) {
        struct config_value number = {0};
        if (parse_integer(node->text, false, &number) && number.integer >= 0 &&
            (uint64_t)number.integer < count) {
            value->integer = number.integer;
            return ROOST_OK;
        }
        for (size_t i = 0; i < count; i++)
            if (strcmp(node->text, field->choices[i]) == 0) {
                value->integer = (int64_t)i;
                return ROOST_OK;
            }
    }
    char list[400] = "";
    for (size_t i = 0, used = 0; i < count && used < sizeof(list) - 64; i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ",
                                 field->choices[i]);
    return config_fail(reader, ROOST_INVALID, "expected one of %s; not %s", list,
                       node->kind == PBTXT_MESSAGE ? "a message" : node->text);
}

static enum roost_err parse_scalar(struct config_reader *reader, const struct config_field *field,
                                   struct config_value *value)
{
    *value = (struct config_value){0};
    switch (field->type) {
    case FIELD_STRING:
        if (reader->node->kind != PBTXT_STRING)
            return config_fail(reader, ROOST_INVALID, "expected a string in quotes");
        value->text = reader->node->text;
        return ROOST_OK;
    case FIELD_BOOL:
        return parse_bool(reader, value);
    case FIELD_FLOAT:
        return parse_float(reader, value);
    case FIELD_ENUM:
        return parse_enum(reader, field, value);
    default:
        return parse_number(reader, field->type, value);
    }
}

static bool value_is_default(const struct config_field *field, const struct config_value *value)
{
    if (field->label != FIELD_ONE)
        return false;
    if (field->type == FIELD_STRING)
        return value->text[0] == '\0';
    if (field->type == FIELD_FLOAT)
        return value->number == 0.0;
    return field->type == FIELD_UINT64 ? value->natural == 0 : value->integer == 0;
}

/* REFUSED ends the reading, IGNORED leaves a warning. */
static enum roost_err judge(struct config_reader *reader, const struct config_field *field)
{
    if (field->status == STATUS_REFUSED)
        return config_fail(reader, ROOST_UNSUPPORTED, "%s", field->note);
    if (field->status == STATUS_IGNORED && reader->warned != field) {
        reader->warned = field;
        config_warn(reader, "ignored: %s", field->note);
    }
    return ROOST_OK;
}

/* Numbers go into a member of whatever width; texts must fit with their NUL. */
static enum roost_err store_member(struct config_reader *reader, const struct config_field *field,
                                   const struct config_value *value, void *owner)
{
    char *member = (char *)owner + field->offset;
    if (field->type == FIELD_STRING) {
        size_t bytes = strlen(value->text) + 1;
        if (bytes > field->bytes)
            return config_fail(reader, ROOST_INVALID, "longer than %zu bytes", field->bytes - 1);
        memcpy(member, value->text, bytes);
        return ROOST_OK;
    }
    uint64_t bits = field->type == FIELD_UINT64 ? value->natural : (uint64_t)value->integer;
    if (field->bytes == sizeof(bool)) {
        *(bool *)member = bits != 0;
    } else if (field->bytes == sizeof(uint32_t)) {
        *(uint32_t *)(void *)member = (uint32_t)bits;
    } else {
        roost_assert(field->bytes == sizeof(uint64_t));
        *(uint64_t *)(void *)member = bits;
    }
    return ROOST_OK;
}

static enum roost_err read_scalar(struct config_reader *reader, const struct config_field *field,
                                  void *owner)
{
    struct config_value value;
    enum roost_err err = parse_scalar(reader, field, &value);
    if (err == ROOST_OK && !value_is_default(field, &value))
        err = judge(reader, field);
    if (err != ROOST_OK || reader->quiet)
        return err;
    if (field->store != NULL)
        return field->store(reader, &value, owner);
    return field->bytes != 0 ? store_member(reader, field, &value, owner) : ROOST_OK;
}

static enum roost_err read_fields(struct config_reader *reader, const struct pbtxt_node *parent,
                                  const struct config_message *message, void *owner);

/* The message at reader->node, as field `field`; `key` is a map entry's. */
static enum roost_err read_message(struct config_reader *reader, const struct config_field *field,
                                   const char *key, void *owner)
{
    const struct pbtxt_node *node = reader->node;
    if (node->kind != PBTXT_MESSAGE)
        return config_fail(reader, ROOST_INVALID, "expected a message in { }");
    enum roost_err err = judge(reader, field);
    if (err != ROOST_OK)
        return err;
    bool quiet = reader->quiet;
    reader->quiet = quiet || field->status == STATUS_IGNORED;
    if (field->open != NULL && !reader->quiet)
        owner = field->open(reader, owner, key);
    err = owner == NULL ? reader->err : read_fields(reader, node, field->message, owner);
    reader->node = node;
    if (err == ROOST_OK && field->close != NULL && !reader->quiet)
        err = field->close(reader, owner);
    reader->quiet = quiet;
    return err;
}

/* The value of a map's entry, whose key is known. */
static enum roost_err read_entry(struct config_reader *reader, const struct config_field *field,
                                 const char *key, const struct pbtxt_node *value, void *owner)
{
    struct config_value number;
    if (field->label == FIELD_MAP_UINT64 && !parse_integer(key, true, &number))
        return config_fail(reader, ROOST_INVALID, "expected a number as the key, not %s", key);
    size_t length = strlen(reader->path);
    (void)snprintf(reader->path + length, sizeof(reader->path) - length, "[\"%s\"]", key);
    reader->node = value;
    if (field->type == FIELD_MESSAGE)
        return read_message(reader, field, key, owner);
    return read_scalar(reader, field, owner);
}

/* In the text form a map is a list of messages with `key` and `value`; in JSON it is an object. */
static enum roost_err read_map(struct config_reader *reader, const struct config_field *field,
                               void *owner)
{
    static const struct pbtxt_node empty = {.kind = PBTXT_MESSAGE, .name = "", .text = ""};
    static const struct pbtxt_node blank = {.kind = PBTXT_STRING, .name = "", .text = ""};
    const struct pbtxt_node *map = reader->node;
    if (map->kind != PBTXT_MESSAGE)
        return config_fail(reader, ROOST_INVALID, "expected a message in { }");
    if (reader->json) {
        size_t length = strlen(reader->path);
        enum roost_err err = ROOST_OK;
        for (const struct pbtxt_node *entry = map->child; entry != NULL; entry = entry->next) {
            err = read_entry(reader, field, entry->name, entry, owner);
            if (err != ROOST_OK)
                return err;
            reader->path[length] = '\0';
        }
        return ROOST_OK;
    }
    const struct pbtxt_node *key = NULL, *value = NULL;
    for (const struct pbtxt_node *part = map->child; part != NULL; part = part->next) {
        const struct pbtxt_node **slot = strcmp(part->name, "key") == 0     ? &key
                                         : strcmp(part->name, "value") == 0 ? &value
                                                                            : NULL;
        reader->node = part;
        if (slot == NULL || *slot != NULL)
            return config_fail(reader, ROOST_INVALID, "an entry has one key and one value, not %s",
                               part->name);
        *slot = part;
    }
    reader->node = map;
    enum pbtxt_kind kind = field->label == FIELD_MAP ? PBTXT_STRING : PBTXT_WORD;
    if (key == NULL || key->kind != kind)
        return config_fail(reader, ROOST_INVALID, "an entry needs a key: %s",
                           kind == PBTXT_STRING ? "a string in quotes" : "a number");
    struct pbtxt_node absent = field->type == FIELD_MESSAGE ? empty : blank;
    absent.line = map->line;
    absent.column = map->column;
    return read_entry(reader, field, key->text, value != NULL ? value : &absent, owner);
}

static enum roost_err read_field(struct config_reader *reader, const struct config_field *field,
                                 void *owner)
{
    const struct pbtxt_node *node = reader->node;
    if (node->listed &&
        (field->label == FIELD_ONE || (reader->json && field->label > FIELD_REPEATED)))
        return config_fail(reader, ROOST_INVALID, "takes one value, not a list");
    if (reader->json && field->label == FIELD_REPEATED && !node->listed)
        return config_fail(reader, ROOST_INVALID, "expected a list");
    if (field->label == FIELD_MAP || field->label == FIELD_MAP_UINT64)
        return read_map(reader, field, owner);
    if (field->type == FIELD_MESSAGE)
        return read_message(reader, field, NULL, owner);
    return read_scalar(reader, field, owner);
}

/* "input" -> "input[1].dims", cut where it does not fit. */
static void path_push(struct config_reader *reader, const struct config_field *field,
                      unsigned index)
{
    size_t length = strlen(reader->path);
    const char *dot = length > 0 ? "." : "";
    char *end = reader->path + length;
    size_t room = sizeof(reader->path) - length;
    if (field->label == FIELD_REPEATED && field->type == FIELD_MESSAGE)
        (void)snprintf(end, room, "%s%s[%u]", dot, field->name, index);
    else
        (void)snprintf(end, room, "%s%s", dot, field->name);
}

static enum roost_err read_fields(struct config_reader *reader, const struct pbtxt_node *parent,
                                  const struct config_message *message, void *owner)
{
    unsigned seen[MESSAGE_FIELDS_MAX] = {0};
    size_t length = strlen(reader->path);
    roost_assert(message->count <= MESSAGE_FIELDS_MAX);
    for (const struct pbtxt_node *node = parent->child; node != NULL; node = node->next) {
        reader->node = node;
        const struct config_field *field = find_field(message, node->name, reader->json);
        if (field == NULL)
            return fail_unknown(reader, message);
        size_t index = (size_t)(field - message->fields);
        bool again = seen[index] > 0;
        path_push(reader, field, seen[index]++);
        if (again && (field->label == FIELD_ONE || (reader->json && field->label > FIELD_REPEATED)))
            return config_fail(reader, ROOST_INVALID, "given more than once");
        enum roost_err err = read_field(reader, field, owner);
        if (err != ROOST_OK)
            return err;
        reader->path[length] = '\0';
    }
    return ROOST_OK;
}

static enum roost_err read_document(struct pbtxt_doc *doc, bool json, struct model_config *config,
                                    struct detail *detail)
{
    struct config_reader reader = {
        .config = config,
        .detail = detail,
        .json = json,
        .node = pbtxt_root(doc),
    };
    enum roost_err err = read_fields(&reader, pbtxt_root(doc), &config_model, config);
    if (err == ROOST_OK) {
        reader.node = pbtxt_root(doc);
        err = close_model(&reader, config);
    }
    pbtxt_doc_free(doc);
    return err;
}

enum roost_err model_config_parse(const char *text, size_t length, struct model_config *config,
                                  struct detail *detail)
{
    struct pbtxt_doc *doc = NULL;
    model_config_init(config);
    enum roost_err err = pbtxt_parse(text, length, &doc, detail);
    return err == ROOST_OK ? read_document(doc, false, config, detail) : err;
}

enum roost_err model_config_parse_json(const char *text, size_t length, struct model_config *config,
                                       struct detail *detail)
{
    struct pbtxt_doc *doc = NULL;
    model_config_init(config);
    enum roost_err err = pbtxt_parse_json(text, length, &doc, detail);
    return err == ROOST_OK ? read_document(doc, true, config, detail) : err;
}
