-- SPDX-License-Identifier: MIT
-- The rows of the music shop, made by a seeded generator: an ordered list of
-- { table, rows }, parents first, about five thousand rows. A column left out
-- is NULL. Values that JSON has no word for are tagged arrays: { "date", iso },
-- { "time", iso }, { "datetime", iso }, { "interval", seconds }, { "dec", text },
-- { "blob", hex } and { "json", text }. Floats are multiples of 1/8, so that
-- sums do not depend on the order of their terms.

local random = require("spec.differential.random")

local r = random.new(20240229)

local function maybe(n, value)
  if r:one_in(n) then return nil end
  return value
end

local function dec(cents)
  return { "dec", ("%d.%02d"):format(cents // 100, cents % 100) }
end

local function date(first, last)
  return ("%04d-%02d-%02d"):format(r:int(first, last), r:int(1, 12), r:int(1, 28))
end

local function clock()
  local s = ("%02d:%02d:%02d"):format(r:int(0, 23), r:int(0, 59), r:int(0, 59))
  if r:one_in(4) then s = s .. (".%06d"):format(r:int(0, 999999)) end
  return s
end

local function datetime(first, last)
  return { "datetime", date(first, last) .. " " .. clock() }
end

local function blob(n)
  local out = {}
  for i = 1, n do out[i] = ("%02x"):format(r:int(0, 255)) end
  return { "blob", table.concat(out) }
end

local first = {
  "Ana", "Björn", "Chloé", "Dmitri", "Emeka", "Fatou", "Günther", "Hana", "Ivo", "Jürgen",
  "Kenji", "Łukasz", "María", "Ngozi", "Øystein", "Priya", "Quentin", "Rosa", "Søren", "Zoë",
}
local last = {
  "Almeida", "Brandt", "Castro", "Dvořák", "Eriksen", "Fischer", "García", "Hansen", "Ito",
  "Jensen", "Köhler", "Larsen", "Müller", "Nowak", "O'Brien", "Petrov", "Quinn", "Rossi",
}
local noun = {
  "River", "Night", "Moon", "Été", "Stone", "Fire", "Glass", "Winter", "100%", "Rose_Garden",
  "Straße", "Ghost", "Mirror", "Summer", "夜", "Engine", "Paper", "Tide", "Ωmega", "back\\slash",
}
local adjective = {
  "Silent", "Blue", "Broken", "Golden", "Last", "Electric", "Ünder", "Hollow", "Velvet", "Old",
}
local cities = { "Berlin", "Oslo", "São Paulo", "Kraków", "New York", "Lagos", "東京", "oslo" }
local places = { "shop", "depot", "window", "Lager 2" }

local data = {}

local function fill(name, count, make)
  local rows = {}
  for i = 1, count do
    local row = make(i)
    if row then rows[#rows + 1] = row end
  end
  data[#data + 1] = { table = name, rows = rows }
end

local genres = {
  "Rock", "Jazz", "Classical", "Folk", "Electronic", "Hard Rock", "Punk", "Bebop", "Swing",
  "Baroque", "Romantic", "Celtic", "House", "Techno", "Ambient", "Metal", "Doom Metal",
  "Cool Jazz", "Opera", "Minimal Techno",
}
local genre_parent = {
  [6] = 1, [7] = 1, [8] = 2, [9] = 2, [10] = 3, [11] = 3, [12] = 4, [13] = 5, [14] = 5,
  [15] = 5, [16] = 6, [17] = 16, [18] = 8, [19] = 11, [20] = 14,
}
fill("genre", #genres, function(i)
  return { id = i, name = genres[i], parent_id = genre_parent[i] }
end)

local infos = {
  '{"members": 4, "site": "https://example.org/a?b=c&d"}',
  '{"awards": [1999, 2004, null], "nested": {"deep": {"er": true}}}',
  '[1, 2.5, "drei", false, null]',
  '{"name": "Ünïcode \\u00e9 \\"quoted\\"", "empty": {}}',
  '"just a string"',
  "17",
  "true",
  "[]",
}
fill("artist", 80, function(i)
  return {
    id = i,
    name = i % 20 == 0 and "the " .. r:pick(noun) or r:pick(adjective) .. " " .. r:pick(noun),
    country = maybe(5, r:pick { "DE", "NO", "PL", "US", "JP", "br" }),
    formed = maybe(6, r:int(1950, 2020)),
    active = maybe(4, r:one_in(2)),
    rating = maybe(5, r:int(0, 80) / 8),
    bio = maybe(3, r:pick { "", "Lines\nand\ttabs", "It's \"quoted\"", "日本語の紹介", "Plain words" }),
    info = maybe(3, { "json", infos[r:int(1, #infos)] }),
  }
end)

fill("tag", 10, function(i)
  return { id = i, word = ({ "loud", "calm", "live", "rare", "new", "cult", "local", "indie",
    "big band", "années 80" })[i] }
end)

fill("artist_tag", 80 * 10, function(i)
  if not r:one_in(5) then return nil end
  return { artist_id = (i - 1) // 10 + 1, tag_id = (i - 1) % 10 + 1 }
end)

fill("album", 220, function(i)
  return {
    id = i,
    title = r:pick(noun) .. (i % 3 == 0 and " & " .. r:pick(noun) or ""),
    artist_id = r:int(1, 70),
    released = maybe(7, { "date", date(1960, 2023) }),
    price = maybe(9, dec(r:int(1, 4000))),
    kind = maybe(8, r:pick { "lp", "ep", "single", "live" }),
    cover = maybe(4, blob(r:int(0, 12))),
  }
end)

fill("track", 900, function(i)
  return {
    id = i,
    title = r:pick(adjective) .. " " .. r:pick(noun) .. (r:one_in(3) and " " .. i or ""),
    album_id = maybe(12, r:int(1, 200)),
    genre_id = maybe(10, r:int(1, 18)),
    number = maybe(10, r:int(1, 15)),
    seconds = maybe(15, r:int(-5, 900)),
    bytes = maybe(10, r:one_in(20) and r:int(1 << 40, 1 << 61) or r:int(0, 12000000)),
    gain = maybe(6, r:int(-96, 96) / 8),
    unit_price = maybe(12, dec(r:pick { 0, 79, 99, 129, 150, 200, 1000 })),
    explicit = maybe(5, r:one_in(4)),
    composer = maybe(2, r:pick(first) .. " " .. r:pick(last)),
  }
end)

fill("employee", 24, function(i)
  return {
    id = i,
    first_name = r:pick(first),
    last_name = r:pick(last),
    title = maybe(6, r:pick { "Manager", "Clerk", "Buyer", "IT" }),
    boss_id = i > 1 and maybe(12, r:int(1, math.min(i - 1, 8))) or nil,
    hired = maybe(8, { "date", date(1995, 2023) }),
    shift = maybe(4, { "time", clock() }),
    salary = maybe(6, dec(r:int(150000, 900000))),
  }
end)

local prefs = {
  '{"theme": "dark", "size": 12}', '{"theme": "light", "langs": ["de", "en"]}', "{}", "[[], [0]]",
  '{"ratio": 0.5, "big": 9007199254740993}',
}
fill("customer", 150, function(i)
  return {
    id = i,
    name = r:pick(first) .. " " .. r:pick(last),
    email = ("user%d@example.%s"):format(i, r:pick { "org", "com" }),
    city = maybe(6, r:pick(cities)),
    support_id = maybe(5, r:int(1, 24)),
    joined = maybe(9, datetime(2015, 2023)),
    vip = r:one_in(5),
    notes = maybe(2, r:pick { "ñandú", "", "a_b%c", "Straße 5", "line\r\nline", "😀 emoji" }),
    prefs = maybe(3, { "json", prefs[r:int(1, #prefs)] }),
    photo = maybe(2, blob(r:int(1, 8))),
  }
end)

fill("playlist", 30, function(i)
  return {
    id = i,
    name = r:pick { "Mix", "Party", "Focus", "Run" } .. " " .. i,
    created = maybe(6, datetime(2019, 2023)),
    owner_id = maybe(5, r:int(1, 60)),
  }
end)

fill("playlist_track", 28 * 40, function(i)
  if not r:one_in(3) then return nil end
  return { playlist_id = (i - 1) // 40 + 1, track_id = ((i - 1) % 40) * 22 + 1 }
end)

fill("invoice", 400, function(i)
  return {
    id = i,
    customer_id = r:int(1, 120),
    billed = datetime(2020, 2023),
    total = maybe(9, dec(r:int(0, 20000))),
    paid = maybe(4, r:one_in(2)),
    status = r:pick { "open", "sent", "paid", "void" },
  }
end)

fill("invoice_line", 390 * 5, function(i)
  local invoice, line = (i - 1) // 5 + 1, (i - 1) % 5 + 1
  if line > 1 + invoice % 5 then return nil end
  return {
    invoice_id = invoice, line_no = line, track_id = r:int(1, 880), quantity = r:int(1, 6),
    unit_price = dec(r:pick { 79, 99, 129, 150 }),
  }
end)

fill("review", 350, function(i)
  return {
    id = i,
    customer_id = r:int(1, 100),
    track_id = maybe(8, r:int(1, 300)),
    stars = maybe(7, r:int(1, 5)),
    body = maybe(3, r:pick { "good", "Good", "GREAT", "meh", "so\nso", "très bien", "" }),
    written = maybe(6, datetime(2018, 2023)),
    at = maybe(5, { "time", clock() }),
  }
end)

fill("stock", 120 * 4, function(i)
  if not r:one_in(2) then return nil end
  return {
    album_id = (i - 1) // 4 + 1, place = places[(i - 1) % 4 + 1], copies = r:int(0, 30),
    checked = maybe(3, { "date", date(2022, 2023) }),
  }
end)

fill("shipment", 90, function(i)
  return {
    id = i, invoice_id = i * 4, sent = maybe(5, datetime(2021, 2023)),
    transit = maybe(4, { "interval", r:int(60, 900000) }),
    weight = maybe(6, r:int(1, 400) / 8),
  }
end)

return data
