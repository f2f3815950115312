-- SPDX-License-Identifier: MIT
-- The music shop of the query scenarios as neutral data: models with their
-- columns and relationships, and the plain tables of the many-to-many pairs.
-- Both drivers declare their models from it. Every column type occurs.

local function col(name, kind, options)
  local c = options or {}
  c.name = name
  c.type = type(kind) == "table" and kind or { kind }
  return c
end

local function id()
  return col("id", "Integer", { primary_key = true })
end

local function fk(name, target, options)
  local c = options or {}
  c.foreign_key = target
  return col(name, "Integer", c)
end

local function required(name, kind, options)
  local c = options or {}
  c.nullable = false
  return col(name, kind, c)
end

local schema = {}

schema.models = {
  {
    name = "Genre", table = "genre",
    columns = {
      id(),
      required("name", { "String", 40 }, { unique = true }),
      fk("parent_id", "genre.id"),
    },
    relations = {
      { name = "parent", target = "Genre", remote_side = "Genre.id", backref = "children" },
    },
  },
  {
    name = "Artist", table = "artist",
    columns = {
      id(),
      required("name", { "String", 120 }),
      col("country", { "String", 2 }),
      col("formed", "Integer"),
      col("active", "Boolean"),
      col("rating", "Float"),
      col("bio", "Text"),
      col("info", "JSON"),
    },
    relations = {
      { name = "tags", target = "Tag", secondary = "artist_tag", backref = "artists" },
    },
  },
  {
    name = "Tag", table = "tag",
    columns = { id(), required("word", { "String", 30 }, { unique = true }) },
  },
  {
    name = "Album", table = "album",
    columns = {
      id(),
      required("title", { "Unicode", 160 }),
      fk("artist_id", "artist.id", { nullable = false }),
      col("released", "Date"),
      col("price", { "Numeric", 8, 2 }),
      col("kind", { "Enum", "lp", "ep", "single", "live" }),
      col("cover", "LargeBinary"),
    },
    relations = {
      { name = "artist", target = "Artist", backref = "albums" },
    },
  },
  {
    name = "Track", table = "track",
    columns = {
      id(),
      required("title", { "String", 200 }),
      fk("album_id", "album.id"),
      fk("genre_id", "genre.id"),
      col("number", "SmallInteger"),
      col("seconds", "Integer"),
      col("bytes", "BigInteger"),
      col("gain", "Float"),
      col("unit_price", { "Numeric", 6, 2 }),
      col("explicit", "Boolean"),
      col("composer", { "String", 100 }),
    },
    relations = {
      { name = "album", target = "Album", backref = "tracks" },
      { name = "genre", target = "Genre", backref = "tracks" },
    },
  },
  {
    name = "Employee", table = "employee",
    columns = {
      id(),
      required("first_name", { "String", 40 }),
      required("last_name", { "String", 40 }),
      col("title", { "String", 40 }),
      fk("boss_id", "employee.id"),
      col("hired", "Date"),
      col("shift", "Time"),
      col("salary", { "Numeric", 10, 2 }),
    },
    relations = {
      { name = "boss", target = "Employee", remote_side = "Employee.id", backref = "reports" },
    },
  },
  {
    name = "Customer", table = "customer",
    columns = {
      id(),
      required("name", { "String", 80 }),
      required("email", { "String", 120 }, { unique = true }),
      col("city", { "String", 60 }),
      fk("support_id", "employee.id"),
      col("joined", "DateTime"),
      required("vip", "Boolean"),
      col("notes", "UnicodeText"),
      col("prefs", "JSON"),
      col("photo", "LargeBinary"),
    },
    relations = {
      { name = "support", target = "Employee", backref = "customers" },
    },
  },
  {
    name = "Playlist", table = "playlist",
    columns = {
      id(),
      required("name", { "String", 80 }),
      col("created", "DateTime"),
      fk("owner_id", "customer.id"),
    },
    relations = {
      { name = "owner", target = "Customer", backref = "playlists" },
      { name = "tracks", target = "Track", secondary = "playlist_track", backref = "playlists" },
    },
  },
  {
    name = "Invoice", table = "invoice",
    columns = {
      id(),
      fk("customer_id", "customer.id", { nullable = false }),
      required("billed", "DateTime"),
      col("total", { "Numeric", 10, 2 }),
      col("paid", "Boolean"),
      required("status", { "Enum", "open", "sent", "paid", "void" }),
    },
    relations = {
      { name = "customer", target = "Customer", backref = "invoices" },
    },
  },
  {
    name = "InvoiceLine", table = "invoice_line",
    columns = {
      fk("invoice_id", "invoice.id", { primary_key = true }),
      col("line_no", "Integer", { primary_key = true, autoincrement = false }),
      fk("track_id", "track.id", { nullable = false }),
      required("quantity", "Integer"),
      required("unit_price", { "Numeric", 6, 2 }),
    },
    relations = {
      { name = "invoice", target = "Invoice", backref = "lines" },
      { name = "track", target = "Track", backref = "lines" },
    },
  },
  {
    name = "Review", table = "review",
    columns = {
      id(),
      fk("customer_id", "customer.id", { nullable = false }),
      fk("track_id", "track.id"),
      col("stars", "SmallInteger"),
      col("body", "Text"),
      col("written", "DateTime"),
      col("at", "Time"),
    },
    relations = {
      { name = "customer", target = "Customer", backref = "reviews" },
      { name = "track", target = "Track", backref = "reviews" },
    },
  },
  {
    name = "Stock", table = "stock",
    columns = {
      fk("album_id", "album.id", { primary_key = true }),
      col("place", { "String", 20 }, { primary_key = true }),
      required("copies", "Integer"),
      col("checked", "Date"),
    },
    relations = {
      { name = "album", target = "Album", backref = "stock" },
    },
  },
  {
    name = "Shipment", table = "shipment",
    columns = {
      id(),
      fk("invoice_id", "invoice.id", { nullable = false, unique = true }),
      col("sent", "DateTime"),
      col("transit", "Interval"),
      col("weight", "Float"),
    },
    relations = {
      { name = "invoice", target = "Invoice", backref = { name = "shipment", uselist = false } },
    },
  },
}

schema.tables = {
  {
    table = "playlist_track",
    columns = {
      fk("playlist_id", "playlist.id", { primary_key = true }),
      fk("track_id", "track.id", { primary_key = true }),
    },
  },
  {
    table = "artist_tag",
    columns = {
      fk("artist_id", "artist.id", { primary_key = true }),
      fk("tag_id", "tag.id", { primary_key = true }),
    },
  },
}

return schema
