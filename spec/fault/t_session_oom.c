/* SPDX-License-Identifier: MIT */
/*
** t_session_oom.c - every allocation of a session's flush, load and rollback fails in
*turn.
**
** The core and the glue take their memory from Lua's allocator, so one sweep reaches
*both.
** What fails says that memory is short; after it a rollback brings every object back to
** its row, and the same work succeeds. Closing the state gives all memory back.
*/
#include "session_fault.h"

static const char script[] =
    "local perilune = require 'perilune'\n"
    "local db = perilune.open 'sqlite://'\n"
    "local s = db.session\n"
    "local links = db.Table{'links',\n"
    "  db.Column{'post_id', db.Integer, db.ForeignKey 'post.id', primary_key = true},\n"
    "  db.Column{'tag_id', db.Integer, db.ForeignKey 'tag.id', primary_key = true} }\n"
    "local User = db.Model 'User' {\n"
    "  id = db.Column{db.Integer, primary_key = true}, name = db.Column{db.String(40)},\n"
    "  data = db.Column{db.JSON}, rank = db.Column{db.Integer, default = function() "
    "return 1 end},\n"
    "  posts = db.relationship{'Post', back_populates = 'user'} }\n"
    "local Post = db.Model 'Post' {\n"
    "  id = db.Column{db.Integer, primary_key = true}, title = db.Column{db.Text},\n"
    "  user_id = db.Column{db.Integer, db.ForeignKey 'user.id'},\n"
    "  user = db.relationship{'User', back_populates = 'posts'},\n"
    "  tags = db.relationship{'Tag', secondary = links, backref = 'posts'} }\n"
    "local Tag = db.Model 'Tag' {\n"
    "  id = db.Column{db.Integer, primary_key = true}, word = db.Column{db.Text} }\n"
    "db:create_all()\n"
    "for i, name in ipairs{'a', 'b', 'c'} do\n"
    "  s:add(User{name = name, data = { i }, posts = { Post{title = name .. '1'},\n"
    "    Post{title = name .. '2', tags = { Tag{word = name} }} }})\n"
    "end\n"
    "s:commit()\n"
    "local a, b = s:get(User, 1), s:get(User, 2)\n"
    "local function text()\n"
    "  return s:execute(db.text [[select group_concat(name || rank || data, ' ') || ' ' "
    "||\n"
    "    (select group_concat(title || coalesce(user_id, '-'), ' ') from post) || ' ' "
    "||\n"
    "    (select count(*) from links) from user]]):scalar()\n"
    "end\n"
    "local before = text()\n"
    "s:rollback()\n"
    "local M = {}\n"
    "function M.flush()\n"
    "  a.name, a.data = ('changed'):rep(5), { x = { 1, 2 } }\n"
    "  local new = User{name = 'new', posts = { Post{title = 'n', tags = { Tag{word = "
    "'w'} }} }}\n"
    "  s:add(new)\n"
    "  b.posts[1].user = a\n"
    "  s:delete(b)\n"
    "  s:flush()\n"
    "  s:begin_nested(function() new.name = 'inner' end)\n"
    "  s:merge(User{id = 3, name = 'merged', posts = {}})\n"
    "  s:flush()\n"
    "end\n"
    "function M.load()\n"
    "  s:expire_all()\n"
    "  local n = 0\n"
    "  for _, user in ipairs(User.query:order_by(User.name:desc()):all()) do\n"
    "    n = n + #user.name\n"
    "    for _, post in ipairs(user.posts) do n = n + #post.title + #post.tags end\n"
    "  end\n"
    "  s:refresh(a)\n"
    "  for post in Post.query:options(db.joinedload(Post.user)):each() do n = n + "
    "post.id end\n"
    "  assert(n == 39, n)\n"
    "  assert(a.data[1] == 1)\n"
    "end\n"
    "function M.rollback() s:rollback() end\n"
    "function M.check(full)\n"
    "  s:rollback()\n"
    "  assert(#s.new == 0 and #s.dirty == 0 and #s.deleted == 0, tostring(s.new) .. "
    "tostring(s.dirty) .. tostring(s.deleted))\n"
    "  assert(text() == before, text())\n"
    "  assert(a.name == 'a' and b.name == 'b' and #a.posts == 2 and #b.posts == 2, "
    "table.concat({ tostring(a.name), tostring(b.name), #a.posts, #b.posts }, '|'))\n"
    "  assert(s:get(User, 2) == b and s:contains(b))\n"
    "  if full == 1 then M.flush() M.rollback() M.load() s:rollback() collectgarbage() "
    "end\n"
    "end\n"
    "function M.close() db:close() end\n"
    "return M\n";

enum { ROUNDS_MOST = 20000 };

/* Runs the function once with the nth allocation failing; how many did. */
static long round_of(lua_State *L, fail_alloc *fa, const char *name, long n) {
    fa->count = fa->failed = 0;
    fa->fail_at = n;
    const char *text = fault_call(L, name, 0);
    fa->fail_at = 0;
    long failed = fa->failed;
    if (text && !strstr(text, "memory"))
        fail_msg("%s, allocation %ld: %s", name, n, text);
    if (text && failed == 0)
        fail_msg("%s failed without a reason: %s", name, text);
    fault_must(L, "check", n % 64 == 0);
    return failed;
}

static void sweep(const char *before, const char *name, bool persistent) {
    fail_alloc fa = {.persistent = persistent};
    lua_State *L = fault_state(&fa, script);
    fault_must(L, "check", 1);
    long n = 1;
    for (; n < ROUNDS_MOST; n++) {
        if (before)
            fault_must(L, before, 0);
        if (round_of(L, &fa, name, n) == 0)
            break;
    }
    assert_in_range(n, 2, ROUNDS_MOST - 1);
    fault_must(L, "check", 1);
    fault_must(L, "close", 0);
    lua_close(L);
    assert_int_equal(fa.live, 0);
    print_message("  %s: %ld allocations\n", name, n - 1);
}

static void test_flush(void **state) {
    (void)state;
    sweep(NULL, "flush", false);
    sweep(NULL, "flush", true);
}

static void test_load(void **state) {
    (void)state;
    sweep(NULL, "load", false);
    sweep(NULL, "load", true);
}

static void test_rollback(void **state) {
    (void)state;
    sweep("flush", "rollback", false);
    sweep("flush", "rollback", true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
