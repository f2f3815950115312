-- The web server of examples/web: pages and the JSON API by curl, hot reload of the Lua
-- code, what a failing request leaves, and no write lost under load.

local json = require "perilune".json
local run = require "spec.support.run"

local build = run.program():match "^(.*)/" or "."
local program = build .. "/embed/webserver"

local function has(tool)
  return run.command { "sh", "-c", "command -v " .. tool }.code == 0
end

local function missing()
  local file = io.open(program, "rb")
  if not file then return "the web server is not built: libmicrohttpd is not installed" end
  file:close()
  if not has "curl" then return "curl is not installed" end
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("examples/web", function()
  local why = missing()
  if why then
    pending(why)
    return
  end

  local folder, server, url

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute(("mkdir -p %s/app %s/data && cp examples/web/app/*.lua %s/app"):format(folder,
      folder, folder))
    write(folder .. "/out", "")
    server = io.popen(("%s %s/app %s/data 0 4 >%s/out 2>%s/err"):format(program, folder, folder,
      folder, folder), "w")
    local port
    for _ = 1, 100 do
      port = read(folder .. "/out"):match "port (%d+)"
      if port then break end
      os.execute "sleep 0.05"
    end
    url = "http://localhost:" .. assert(port, "the server does not listen")
  end)

  teardown(function()
    if server then server:close() end
    os.execute("rm -rf " .. folder)
  end)

  local function curl(path, ...)
    local words = { "curl", "-s", "-m", "10", "-w", "\n%{http_code}", ..., }
    words[#words + 1] = url .. path
    local result = run.command(words)
    local body, status = result.out:match "^(.*)\n(%d+)$"
    return body, tonumber(status)
  end

  local function post(title, user)
    return curl("/api/posts", "-d", json.encode { title = title, user = user })
  end

  local function posts()
    return json.decode((curl "/api/posts"))
  end

  it("serves a page and the API", function()
    local body, status = post("Hello <world>", "Alice")
    assert.equal(201, status)
    assert.same({ id = 1 }, json.decode(body))
    assert.equal(1, posts().count)
    assert.equal("Alice", posts().posts[1].user)
    body, status = curl "/"
    assert.equal(200, status)
    assert.truthy(body:find("<li>Hello &lt;world&gt; <i>by Alice</i></li>", 1, true))
  end)

  it("answers what it cannot serve", function()
    assert.equal(404, select(2, curl "/nowhere"))
    assert.equal(400, select(2, curl("/api/posts", "-d", "no JSON")))
    assert.equal(413, select(2, curl("/api/posts", "-H", "Expect:", "-d",
      "@" .. (function() write(folder .. "/big", ("x"):rep(2 << 20)) return folder .. "/big" end)())))
  end)

  it("leaves nothing of a request that fails", function()
    local before = posts().count
    local body, status = post(("x"):rep(300), "Bob")
    assert.equal(500, status)
    assert.equal("the server has failed\n", body)
    assert.equal(before, posts().count)
    assert.truthy(read(folder .. "/err"):find("Post.title", 1, true))
  end)

  it("takes changed code at the next request", function()
    local main = read(folder .. "/app/main.lua")
    write(folder .. "/app/main.lua", (main:gsub('page%("Blog"', 'page("News"')))
    assert.truthy((curl "/"):find("<h1>News</h1>", 1, true))
    os.execute "sleep 0.05"
    write(folder .. "/app/main.lua", "this is not Lua")
    local served -- by a worker that has good code; one that never had any cannot
    for _ = 1, 100 do served = served or (curl "/"):find("<h1>", 1, true) end
    os.execute "sleep 0.05"
    write(folder .. "/app/main.lua", main)
    assert.truthy(served)
    local body = curl "/"
    assert.truthy(body:find("<h1>Blog</h1>", 1, true), body .. read(folder .. "/err"))
  end)

  it("loses no write under load", function()
    if not has "wrk" then return pending "wrk is not installed" end
    local before = posts().count
    write(folder .. "/load.lua", [[
wrk.method, wrk.body = "POST", '{"title": "load", "user": "Carol"}'
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function init() made, failed = 0, 0 end
function response(status) if status == 201 then made = made + 1 else failed = failed + 1 end end
function done()
  local made, failed = 0, 0
  for _, t in ipairs(threads) do made, failed = made + t:get "made", failed + t:get "failed" end
  print("made " .. made .. " failed " .. failed)
end
]])
    local result = run.command { "wrk", "-t2", "-c8", "-d2", "-s", folder .. "/load.lua",
      url .. "/api/posts" }
    local made, failed = result.out:match "made (%d+) failed (%d+)"
    assert.equal("0", failed)
    assert.is_true(tonumber(made) > 10)
    local after = posts()
    -- Up to one request of each connection may have been under way when wrk went.
    assert.is_true(after.count - before >= tonumber(made))
    assert.is_true(after.count - before <= tonumber(made) + 8)
    assert.equal(after.count, after.posts[1].id)
  end)

  it("is shown by a browser", function()
    local browser
    for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
      if has(name) then browser = name end
    end
    if not browser then return pending "there is no Chromium" end
    local result = run.command { "timeout", "60", browser, "--headless", "--no-sandbox",
      "--disable-gpu", "--dump-dom", url .. "/" }
    assert.truthy(result.out:find("<h1>Blog</h1>", 1, true))
  end)
end)
