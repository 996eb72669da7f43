/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { CHUNK_BYTES = 16 * 1024, KEYS_FIRST = 64 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    max_align_t data[];
};

struct yaml_doc {
    struct chunk *chunks;
    struct yaml_node *root;
    size_t node_count;
};

/* A list or map whose end has not been seen. */
struct frame {
    struct yaml_node *node;
    struct yaml_node **tail; /* where the next item is linked */
    const char *key;         /* map: the key whose value comes next, or NULL before a key */
    unsigned key_line;
};

/* Children of maps by parent and key: a hash table with linear probing, at most half full. */
struct key_set {
    const struct yaml_node **slots;
    size_t size; /* 0 or a power of two */
    size_t count;
};

struct builder {
    struct yaml_doc *doc;
    struct yaml_errors *errors;
    struct key_set keys;
    struct frame frames[YAML_DEPTH_MAX];
    size_t depth;
    bool stopped;   /* at the end, or going on would make no sense */
    bool broken;    /* the tree is not what the file meant */
    bool no_memory; /* the reason is memory */
    bool had_document;
};

static void out_of_memory(struct builder *b)
{
    b->no_memory = true;
    b->stopped = true;
}

static void give_up(struct builder *b)
{
    b->broken = true;
    b->stopped = true;
}

static void *doc_allocate(struct builder *b, size_t bytes)
{
    size_t unit = sizeof(max_align_t);
    size_t needed = (bytes + unit - 1) / unit * unit;
    struct chunk *chunk = b->doc->chunks;
    if (chunk == NULL || chunk->size - chunk->used < needed) {
        size_t size = needed > CHUNK_BYTES ? needed : CHUNK_BYTES;
        chunk = malloc(sizeof(*chunk) + size);
        if (chunk == NULL) {
            out_of_memory(b);
            return NULL;
        }
        *chunk = (struct chunk){.next = b->doc->chunks, .size = size};
        b->doc->chunks = chunk;
    }
    void *place = (char *)chunk->data + chunk->used;
    chunk->used += needed;
    return place;
}

void yaml_doc_free(struct yaml_doc *doc)
{
    if (doc == NULL)
        return;
    while (doc->chunks != NULL) {
        struct chunk *next = doc->chunks->next;
        free(doc->chunks);
        doc->chunks = next;
    }
    free(doc);
}

const struct yaml_node *yaml_root(const struct yaml_doc *doc)
{
    return doc->root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *item = map->child; item != NULL; item = item->next) {
        if (strcmp(item->key, key) == 0)
            return item;
    }
    return NULL;
}

/* FNV-1a over the key, with the parent's address mixed in. */
static size_t key_hash(const struct yaml_node *node)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325) ^ ((uintptr_t)node->parent >> 4);
    for (const char *c = node->key; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot that holds the same key of the same map, or the free one where it belongs. */
static const struct yaml_node **key_slot(struct key_set *set, const struct yaml_node *node)
{
    size_t at = key_hash(node) & (set->size - 1);
    while (set->slots[at] != NULL &&
           (set->slots[at]->parent != node->parent || strcmp(set->slots[at]->key, node->key) != 0))
        at = (at + 1) & (set->size - 1);
    return &set->slots[at];
}

static bool key_set_grow(struct key_set *set)
{
    struct key_set larger = {.size = set->size == 0 ? KEYS_FIRST : 2 * set->size};
    larger.slots = calloc(larger.size, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < set->size; i++) {
        if (set->slots[i] != NULL)
            *key_slot(&larger, set->slots[i]) = set->slots[i];
    }
    larger.count = set->count;
    free(set->slots);
    *set = larger;
    return true;
}

static bool is_duplicate(struct builder *b, const struct yaml_node *node)
{
    struct key_set *set = &b->keys;
    if (2 * (set->count + 1) > set->size && !key_set_grow(set)) {
        out_of_memory(b);
        return false;
    }
    const struct yaml_node **slot = key_slot(set, node);
    if (*slot != NULL) {
        yaml_error(b->errors, node, "duplicate key, first given in line %u", (*slot)->key_line);
        return true;
    }
    *slot = node;
    set->count++;
    return false;
}

static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, yaml_mark_t mark)
{
    struct yaml_node *node = doc_allocate(b, sizeof(*node));
    if (node == NULL)
        return NULL;
    *node = (struct yaml_node){.kind = kind,
                               .text = "",
                               .line = (unsigned)mark.line + 1,
                               .column = (unsigned)mark.column + 1};
    if (b->depth > 0) {
        struct frame *frame = &b->frames[b->depth - 1];
        bool is_key = frame->node->kind == YAML_MAP && frame->key == NULL;
        node->parent = frame->node;
        node->key = is_key ? "?" : frame->key;
        node->key_line = is_key ? node->line : frame->key == NULL ? 0 : frame->key_line;
    }
    if (++b->doc->node_count == YAML_NODES_MAX) {
        yaml_error(b->errors, node, "more than %d values in the file", YAML_NODES_MAX);
        give_up(b);
    }
    return node;
}

/* Puts a finished scalar or a list or map that begins where it belongs: it is the root, the key
 * that the map waits for, or the next item. A duplicate is left out, and so read by nobody. */
static void node_place(struct builder *b, struct yaml_node *node)
{
    if (b->depth == 0) {
        b->doc->root = node;
        return;
    }
    struct frame *frame = &b->frames[b->depth - 1];
    if (frame->node->kind == YAML_MAP && frame->key == NULL) {
        frame->key_line = node->line;
        frame->key = node->kind == YAML_SCALAR ? node->text : "?";
        if (node->kind == YAML_NULL)
            frame->key = "";
        if (node->kind == YAML_LIST || node->kind == YAML_MAP) {
            yaml_error(b->errors, node, "a key must be a word, not a list or a map");
            b->broken = true;
        }
        return;
    }
    frame->key = NULL;
    if (node->key != NULL && is_duplicate(b, node))
        return;
    *frame->tail = node;
    frame->tail = &node->next;
}

static bool is_null_text(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++) {
        if (strcmp(text, nulls[i]) == 0)
            return true;
    }
    return false;
}

static bool is_one_of(const char *tag, const char *const *tags)
{
    for (; *tags != NULL; tags++) {
        if (strcmp(tag, *tags) == 0)
            return true;
    }
    return false;
}

static void tag_refuse(struct builder *b, const struct yaml_node *node, const yaml_char_t *tag)
{
    yaml_error(b->errors, node, "the tag \"%.60s\" is not supported here", (const char *)tag);
}

static void scalar_take(struct builder *b, const yaml_event_t *event)
{
    static const char *const plain_tags[] = {YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG,
                                             YAML_FLOAT_TAG, NULL};
    static const char *const text_tags[] = {YAML_STR_TAG, "!", NULL};
    const char *value = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    size_t length = event->data.scalar.length;
    struct yaml_node *node = node_new(b, YAML_SCALAR, event->start_mark);
    char *text = node == NULL ? NULL : doc_allocate(b, length + 1);
    if (text == NULL)
        return;
    memcpy(text, value, length);
    text[length] = '\0';
    node->text = text;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (tag != NULL && is_one_of(tag, plain_tags))
        node->quoted = false;
    else if (tag != NULL && is_one_of(tag, text_tags))
        node->quoted = true;
    else if (tag != NULL)
        tag_refuse(b, node, event->data.scalar.tag);
    if (memchr(text, '\0', length) != NULL)
        yaml_error(b->errors, node, "a text must not hold a NUL character");
    if (!node->quoted && is_null_text(text)) {
        node->kind = YAML_NULL;
        node->text = "";
    }
    node_place(b, node);
}

static void container_begin(struct builder *b, enum yaml_kind kind, const yaml_char_t *tag,
                            yaml_mark_t mark)
{
    struct yaml_node *node = node_new(b, kind, mark);
    if (node == NULL)
        return;
    if (tag != NULL && strcmp((const char *)tag, kind == YAML_LIST ? YAML_SEQ_TAG : YAML_MAP_TAG))
        tag_refuse(b, node, tag);
    if (b->depth == YAML_DEPTH_MAX) {
        yaml_error(b->errors, node, "more than %d levels deep", YAML_DEPTH_MAX);
        give_up(b);
        return;
    }
    node_place(b, node);
    b->frames[b->depth++] = (struct frame){.node = node, .tail = &node->child};
}

static void alias_take(struct builder *b, const yaml_event_t *event)
{
    struct yaml_node *node = node_new(b, YAML_NULL, event->start_mark);
    if (node == NULL)
        return;
    yaml_error(b->errors, node, "aliases (*%.60s) are not supported",
               (const char *)event->data.alias.anchor);
    b->broken = true; /* what it stands for is missing, and would be complained of */
    node_place(b, node);
}

static void document_begin(struct builder *b, const yaml_event_t *event)
{
    if (b->had_document) {
        struct yaml_node place = {.line = (unsigned)event->start_mark.line + 1};
        yaml_error(b->errors, &place, "a second document begins here; one is wanted");
        give_up(b);
    }
    b->had_document = true;
}

static void event_take(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        document_begin(b, event);
        break;
    case YAML_ALIAS_EVENT:
        alias_take(b, event);
        break;
    case YAML_SCALAR_EVENT:
        scalar_take(b, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        container_begin(b, YAML_LIST, event->data.sequence_start.tag, event->start_mark);
        break;
    case YAML_MAPPING_START_EVENT:
        container_begin(b, YAML_MAP, event->data.mapping_start.tag, event->start_mark);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        break;
    case YAML_STREAM_END_EVENT:
        b->stopped = true;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

static void syntax_error(struct builder *b, const yaml_parser_t *parser, const char *text,
                         size_t length)
{
    const char *problem = parser->problem != NULL ? parser->problem : "unreadable";
    struct yaml_node place = {.line = (unsigned)parser->problem_mark.line + 1};
    if (parser->error == YAML_MEMORY_ERROR) {
        out_of_memory(b);
    } else if (parser->error == YAML_READER_ERROR) {
        /* The reader is ahead of the scanner and knows only the byte. */
        size_t offset = parser->problem_offset < length ? parser->problem_offset : length;
        place.line = 1;
        for (size_t i = 0; i < offset; i++)
            place.line += text[i] == '\n' ? 1 : 0;
        yaml_error(b->errors, &place, "not YAML: %s, byte %zu", problem, offset);
    } else {
        yaml_error(b->errors, &place, "not YAML: %s%s%s, column %zu", problem,
                   parser->context != NULL ? " " : "",
                   parser->context != NULL ? parser->context : "", parser->problem_mark.column + 1);
    }
    give_up(b);
}

static void events_take(struct builder *b, const char *text, size_t length)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        out_of_memory(b);
        return;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    while (!b->stopped) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            syntax_error(b, &parser, text, length);
            break;
        }
        event_take(b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

enum roost_err yaml_parse(const char *text, size_t length, struct yaml_errors *errors,
                          struct yaml_doc **doc)
{
    *doc = NULL;
    size_t errors_before = errors->count;
    struct builder b = {.errors = errors};
    b.doc = calloc(1, sizeof(*b.doc));
    if (b.doc == NULL)
        out_of_memory(&b);
    else
        events_take(&b, text, length);
    if (!b.no_memory && b.doc->root == NULL)
        b.doc->root = node_new(&b, YAML_NULL, (yaml_mark_t){0});
    free(b.keys.slots);
    if (b.no_memory)
        yaml_error(errors, NULL, "out of memory");
    if (b.no_memory || b.broken)
        yaml_doc_free(b.doc);
    else
        *doc = b.doc;
    return b.no_memory                      ? ROOST_NO_MEMORY
           : errors->count == errors_before ? ROOST_OK
                                            : ROOST_INVALID;
}
