-- Pages and a JSON API of the blog. The server calls handle(request) in a context of the app
-- and commits when the status is below 400. A change of these files is in force at the next
-- request.
local perilune = require "perilune"
local blog = require "blog"
local db, User, Post = blog.db, blog.User, blog.Post

local escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function html(text)
  return (text:gsub("[&<>\"']", escapes))
end

local function page(title, body)
  return { status = 200, type = "text/html; charset=utf-8", body = ([[
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>%s</title></head>
<body><h1>%s</h1>
%s
</body></html>
]]):format(html(title), html(title), body) }
end

local function json(status, value)
  return { status = status, type = "application/json", body = perilune.json.encode(value) }
end

local function decoded(request)
  local ok, value = pcall(perilune.json.decode, request.body)
  return ok and value or nil
end

local routes = {}

-- Two queries: the newest posts, and their authors.
routes["GET /"] = function()
  local lines = {}
  for _, post in ipairs(Post.query:order_by(Post.id:desc()):limit(10):all()) do
    lines[#lines + 1] = ("<li>%s <i>by %s</i></li>"):format(html(post.title), html(post.user.name))
  end
  return page("Blog", "<ul>\n" .. table.concat(lines, "\n") .. "\n</ul>")
end

routes["GET /api/posts"] = function()
  local list = perilune.json_array {}
  for i, post in ipairs(Post.query:order_by(Post.id:desc()):limit(10):all()) do
    list[i] = { id = post.id, title = post.title, user = post.user.name }
  end
  return json(200, { posts = list, count = Post.query:count() })
end

routes["POST /api/posts"] = function(request)
  local given = decoded(request)
  if not given or type(given.title) ~= "string" or type(given.user) ~= "string" then
    return json(400, { error = "a JSON object with the texts title and user is needed" })
  end
  db.session:begin{ mode = "immediate" }
  local user = User.query:filter_by{ name = given.user }:first() or User{ name = given.user }
  local post = Post{ title = given.title, user = user }
  db.session:add(post)
  db.session:flush()
  return json(201, { id = post.id })
end

-- What the server calls.
function handle(request)  -- luacheck: globals handle
  local route = routes[request.method .. " " .. request.path]
  if not route then return json(404, { error = "there is no " .. request.path }) end
  return route(request)
end
