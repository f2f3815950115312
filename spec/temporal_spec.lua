-- SPDX-License-Identifier: MIT
-- Dates, times, datetimes and intervals as scripts see them.

local perilune = require "perilune"
local python = require "spec.support.python"

local datetime, date, time = perilune.datetime, perilune.date, perilune.time
local interval = perilune.interval

local function fails(name, pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(name, err.name, tostring(err))
  assert.truthy(tostring(err):find(pattern), tostring(err))
end

describe("datetime", function()
  it("is made from fields by position", function()
    assert.equal("2024-02-29T00:00:00", datetime(2024, 2, 29):iso())
    assert.equal("2024-02-29T12:30:15.000250", datetime(2024, 2, 29, 12, 30, 15, 250):iso())
  end)

  it("is made from a table of fields", function()
    local d = datetime { year = 2024, month = 2, day = 29, hour = 5, minute = 6, second = 7,
      microsecond = 8 }
    assert.equal("2024-02-29 05:06:07.000008", tostring(d))
  end)

  it("is made from what os.date gives", function()
    local t = os.date("!*t", 1700000000)
    assert.equal(datetime(1700000000), datetime(t))
    local here = os.date("*t", 1700000000)
    assert.equal(os.date("%Y-%m-%dT%H:%M:%S", 1700000000), datetime(here):iso())
  end)

  it("is made from ISO text", function()
    assert.equal(datetime(2024, 2, 29, 12, 30), datetime "2024-02-29T12:30:00")
    assert.equal(datetime(2024, 2, 29, 12, 30), datetime "2024-02-29 12:30")
    assert.equal(datetime(2024, 2, 29), datetime "2024-02-29")
    assert.equal(500000, datetime("2024-02-29T12:30:00.5").microsecond)
  end)

  it("is UTC when an offset is given", function()
    local d = datetime(2024, 2, 29, 12, 30)
    assert.equal(d, datetime "2024-02-29T12:30:00Z")
    assert.equal(d, datetime "2024-02-29T14:30:00+02:00")
    assert.equal(d, datetime "2024-02-29T07:00:00-0530")
    assert.equal(datetime(2024, 3, 1, 0, 15), datetime "2024-02-29T23:15:00-01:00")
  end)

  it("is made from seconds since the epoch", function()
    assert.equal(datetime(1970, 1, 1), datetime(0))
    assert.equal(datetime(2023, 11, 14, 22, 13, 20), datetime(1700000000))
    assert.equal(datetime(2023, 11, 14, 22, 13, 20, 250000), datetime(1700000000.25))
    assert.equal(datetime(1969, 12, 31, 23, 59, 59, 500000), datetime(-0.5))
  end)

  it("is made from a date, with or without a time", function()
    assert.equal(datetime(2024, 2, 29), datetime(date(2024, 2, 29)))
    assert.equal(datetime(2024, 2, 29, 8, 5), datetime(date(2024, 2, 29), time(8, 5)))
    local d = datetime(0)
    assert.equal(d, datetime(d))
  end)

  it("knows the present", function()
    local before = os.time()
    local now = datetime.now()
    assert.is_true(now.epoch >= before and now.epoch <= os.time() + 1)
    assert.is_true(datetime.utcnow() >= now)
    assert.equal(now:date(), date.today())
    assert.is_true(time.now() >= now:time() or date.today() > now:date())
  end)

  it("has fields", function()
    local d = datetime(2024, 2, 29, 12, 30, 15, 250)
    assert.same({ 2024, 2, 29, 12, 30, 15, 250 },
      { d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond })
    assert.same({ 3, 4, 5, 60 }, { d.weekday, d.isoweekday, d.wday, d.yday })
    assert.equal(date(2024, 2, 29), d:date())
    assert.equal(time(12, 30, 15, 250), d:time())
  end)

  it("agrees with os.date about weekday and day of the year", function()
    for day = -800, 800, 5 do
      local seconds = 1700000000 + day * 86400
      local t, d = os.date("!*t", seconds), datetime(seconds)
      assert.same({ t.wday, t.yday }, { d.wday, d.yday })
    end
  end)

  it("gives its epoch as an integer where it is whole", function()
    assert.equal("integer", math.type(datetime(1700000000).epoch))
    assert.equal(1700000000, datetime(1700000000).epoch)
    assert.equal(1700000000.25, datetime(1700000000.25).epoch)
    assert.equal(-1, datetime(-1).epoch)
  end)

  it("gives its fields as a table for os.time and os.date", function()
    local d = datetime(2024, 2, 29, 12, 30, 15, 250)
    local t = d:fields()
    assert.same({ year = 2024, month = 2, day = 29, hour = 12, min = 30, sec = 15,
      microsecond = 250, wday = 5, yday = 60, isdst = false }, t)
    assert.equal(d, datetime(t))
  end)

  it("can be copied with other fields", function()
    local d = datetime(2024, 2, 29, 12, 30)
    assert.equal(datetime(2024, 1, 29, 12, 0, 1), d:replace { month = 1, min = 0, sec = 1 })
    assert.equal(29, d.day)
    fails("ValueError", "day is out of range for month", d.replace, d, { year = 2023 })
  end)

  it("keeps to the years 1 to 9999", function()
    assert.equal("0001-01-01T00:00:00", datetime(1, 1, 1):iso())
    assert.equal("9999-12-31T23:59:59.999999",
      datetime(9999, 12, 31, 23, 59, 59, 999999):iso())
    fails("ValueError", "year must be in 1..9999", datetime, 0, 1, 1)
    fails("ValueError", "year must be in 1..9999", datetime, 10000, 1, 1)
    fails("ValueError", "out of range", datetime, 2 ^ 60)
    fails("ValueError", "out of range", datetime, math.maxinteger)
    fails("ValueError", "out of range", datetime, 0 / 0)
    fails("ValueError", "out of range", datetime, math.huge)
  end)

  it("names the field that is wrong", function()
    fails("ValueError", "month must be in 1..12", datetime, 2024, 13, 1)
    fails("ValueError", "day is out of range", datetime, 2023, 2, 29)
    fails("ValueError", "hour must be in 0..23", datetime, 2024, 1, 1, 24)
    fails("ValueError", "second must be in 0..59", datetime, 2024, 1, 1, 0, 0, 60)
    fails("ValueError", "year must be", datetime, 2 ^ 40 // 1, 1, 1)
    fails("TypeError", "year must be an integer, got 2024.5", datetime, 2024.5, 1, 1)
    fails("TypeError", "day must be an integer", datetime, { year = 2024, month = 1, day = "x" })
    fails("ArgumentError", "day is missing", datetime, { year = 2024, month = 1 })
    fails("AttributeError", "did you mean 'minute'", datetime,
      { year = 2024, month = 1, day = 1, minutes = 5 })
    fails("AttributeError", "no field '1'", datetime, { 2024, year = 1, month = 1, day = 1 })
    fails("ArgumentError", "takes 3 to 7 numbers, got 2", datetime, 2024, 1)
    fails("ArgumentError", "takes 3 to 7 numbers, got 8", datetime, 1, 1, 1, 1, 1, 1, 1, 1)
  end)

  it("refuses what is no datetime", function()
    fails("ValueError", "'yesterday' is not of the form YYYY%-MM%-DD", datetime, "yesterday")
    fails("ValueError", "is not of the form", datetime, "2024-02-29T12:30:00.1234567")
    fails("ValueError", "offset", datetime, "2024-02-29T12:30:00+99:00")
    fails("ArgumentError", "takes fields, ISO text", datetime)
    fails("TypeError", "made from a boolean", datetime, true)
    fails("TypeError", "made from a perilune.Time", datetime, time(1, 2))
    fails("ArgumentError", "one argument", datetime, "2024-02-29", 1)
  end)

  it("cannot be changed", function()
    local d = datetime(0)
    fails("TypeError", "cannot be changed", function() d.year = 2000 end)
    fails("AttributeError", "no field 'yaer' .*'year'", function() return d.yaer end)
    fails("AttributeError", "has no field", function() return d[1] end)
    assert.equal("perilune.DateTime", getmetatable(d))
  end)

  it("reminds of the colon", function()
    local d = datetime(0)
    local iso = d.iso
    fails("TypeError", "with a colon", iso)
    fails("TypeError", "with a colon", iso, {})
  end)
end)

describe("date", function()
  it("is made like a datetime", function()
    local d = date(2024, 2, 29)
    assert.equal("2024-02-29", d:iso())
    assert.equal("2024-02-29", tostring(d))
    assert.equal(d, date "2024-02-29")
    assert.equal(d, date { year = 2024, month = 2, day = 29 })
    assert.equal(d, date(os.date("!*t", 1709209800)))
    assert.equal(d, date(1709209800))
    assert.equal(d, date(1709209800.5))
    assert.equal(d, date(datetime(2024, 2, 29, 23, 59)))
    assert.equal(date(1969, 12, 31), date(-1))
  end)

  it("has the fields of a date only", function()
    local d = date(2024, 2, 29)
    assert.same({ 2024, 2, 29, 3, 60, 1709164800 },
      { d.year, d.month, d.day, d.weekday, d.yday, d.epoch })
    fails("AttributeError", "no field 'hour'", function() return d.hour end)
    fails("ValueError", "not of the form YYYY%-MM%-DD", date, "2024-02-29T00:00:00")
    fails("ArgumentError", "takes 3 to 3 numbers", date, 2024, 2, 29, 1)
  end)
end)

describe("time", function()
  it("is made from fields or text", function()
    assert.equal("08:05:00", time(8, 5):iso())
    assert.equal("08:05:00.000001", tostring(time(8, 5, 0, 1)))
    assert.equal(time(8, 5), time "08:05")
    assert.equal(time(8, 0), time { hour = 8 })
    assert.equal(time(13, 30), time(datetime(2024, 2, 29, 13, 30)))
    assert.equal(time(22, 13, 20), time(os.date("!*t", 1700000000)))
  end)

  it("has the fields of a time only", function()
    local t = time(8, 5, 6, 7)
    assert.same({ 8, 5, 6, 7 }, { t.hour, t.minute, t.second, t.microsecond })
    assert.same({ hour = 8, min = 5, sec = 6, microsecond = 7 }, t:fields())
    assert.equal(time(9, 5, 6, 7), t:replace { hour = 9 })
    fails("AttributeError", "no field 'year'", function() return t.year end)
  end)

  it("refuses what could mean two things", function()
    fails("ArgumentError", "hours or seconds", time, 12)
    fails("ValueError", "offset", time, "12:00:00Z")
    fails("ValueError", "hour must be", time, 24, 0)
    fails("ArgumentError", "hour is missing", time, { minute = 5 })
  end)
end)

describe("interval", function()
  it("is made from units, seconds or text", function()
    local iv = interval { days = 1, hours = 2, minutes = 3, seconds = 4.5 }
    assert.equal("P1DT2H3M4.5S", iv:iso())
    assert.equal(iv, interval "P1DT2H3M4.5S")
    assert.equal(iv, interval "26:03:04.5")
    assert.equal(iv, interval(93784.5))
    assert.equal(interval { weeks = 1 }, interval { days = 7 })
    assert.equal(interval { milliseconds = 1 }, interval { microseconds = 1000 })
    assert.equal(interval { days = 1.5 }, interval { hours = 36 })
    assert.equal("PT0S", tostring(interval {}))
    assert.equal("-PT1.000001S", tostring(interval "-PT1.000001S"))
  end)

  it("has days, seconds and microseconds as in Python", function()
    local iv = interval { seconds = -1 }
    assert.same({ -1, 86399, 0, -1 }, { iv.days, iv.seconds, iv.microseconds, iv.total_seconds })
    iv = interval { days = 2, seconds = 3.25 }
    assert.same({ 2, 3, 250000, 172803.25 },
      { iv.days, iv.seconds, iv.microseconds, iv.total_seconds })
    assert.equal("integer", math.type(interval(90).total_seconds))
  end)

  it("counts", function()
    local hour = interval { hours = 1 }
    assert.equal(interval(90 * 60), hour + hour / 2)
    assert.equal(interval(-3600), -hour)
    assert.equal(interval(7200), hour * 2)
    assert.equal(interval(7200), 2 * hour)
    assert.equal(interval(1800), hour * 0.5)
    assert.equal(1.5, interval(5400) / hour)
    assert.equal(hour, (-hour):abs())
    assert.equal(interval(0), hour - hour)
    assert.is_true(hour > interval(59 * 60) and -hour < hour and hour <= hour)
  end)

  it("refuses what it cannot hold or does not know", function()
    fails("ArgumentError", "one number, the seconds", interval, 1, 2)
    fails("AttributeError", "did you mean 'days'", interval, { day = 1 })
    fails("TypeError", "hours must be a number", interval, { hours = "1" })
    fails("ValueError", "no fixed length", interval, "P1M")
    fails("ValueError", "out of range", interval, { weeks = math.maxinteger })
    fails("ValueError", "division by zero", function() return interval(1) / 0 end)
    fails("ValueError", "division by zero", function() return interval(1) / interval(0) end)
    fails("ValueError", "out of range", function() return interval(1) * 1e300 end)
    fails("TypeError", "multiply", function() return interval(1) * interval(1) end)
    fails("TypeError", "divide", function() return 1 / interval(1) end)
  end)
end)

describe("points in time", function()
  it("differ by an interval", function()
    assert.equal(interval { days = 1, hours = 1 },
      datetime(2024, 3, 1, 1) - datetime(2024, 2, 29))
    assert.equal(interval { days = 29 }, date(2024, 3, 1) - date(2024, 2, 1))
    assert.equal(interval { minutes = 90 }, time(10, 0) - time(8, 30))
    assert.equal(interval(-1), datetime(0) - datetime(1))
  end)

  it("move by an interval", function()
    assert.equal(datetime(2024, 3, 1, 0, 30),
      datetime(2024, 2, 29, 23) + interval { minutes = 90 })
    assert.equal(datetime(2024, 3, 1, 0, 30),
      interval { minutes = 90 } + datetime(2024, 2, 29, 23))
    assert.equal(date(2024, 2, 29), date(2024, 3, 1) - interval { days = 1 })
    fails("ValueError", "whole days", function() return date(2024, 3, 1) + interval(1) end)
    fails("ValueError", "out of range",
      function() return datetime(9999, 12, 31) + interval { days = 1 } end)
  end)

  it("compare within their class", function()
    assert.is_true(date(2024, 1, 2) > date(2024, 1, 1))
    assert.is_true(datetime(1) <= datetime(1))
    assert.is_false(time(1, 2) < time(1, 2))
    assert.is_true(datetime(2024, 1, 1) ~= date(2024, 1, 1))
    assert.is_false(datetime(0) == 0)
    fails("TypeError", "cannot compare a perilune.DateTime and a perilune.Date",
      function() return datetime(0) < date(2024, 1, 1) end)
    fails("TypeError", "cannot compare", function() return datetime(0) < 1 end)
    fails("TypeError", "cannot compare", function() return "2024-01-01" <= date(0) end)
  end)

  it("do not mix otherwise", function()
    fails("TypeError", "cannot add", function() return datetime(0) + datetime(0) end)
    fails("TypeError", "cannot add a perilune.DateTime and a number",
      function() return datetime(0) + 1 end)
    fails("TypeError", "cannot subtract", function() return datetime(0) - date(0) end)
    fails("TypeError", "cannot add", function() return datetime(0) + perilune.decimal(1) end)
  end)

  it("join texts", function()
    assert.equal("on 2024-02-29!", "on " .. date(2024, 2, 29) .. "!")
    assert.equal("12024-02-29", 1 .. date(2024, 2, 29))
    assert.equal("2024-02-2908:05:00", date(2024, 2, 29) .. time(8, 5))
    fails("TypeError", "cannot concatenate", function() return date(0) .. {} end)
  end)

  it("leave operators to an object of another class", function()
    local other = setmetatable({}, { __add = function(a, b) return { a, b } end,
      __lt = function() return true end, __concat = function() return "other" end })
    local d = datetime(0)
    assert.same({ d, other }, d + other)
    assert.is_true(d < other)
    assert.equal("other", d .. other)
  end)
end)

describe("Python's datetime", function()
  it("writes the same texts", function()
    local missing = python.missing()
    if missing then return pending(missing) end
    local input, expected = {}, {}
    for i = 0, 400 do
      local d = datetime(-62135596800 + i * 787000777) + interval { microseconds = i % 3 * 250 }
      local iv = interval { seconds = (i - 200) * 54321, microseconds = i }
      local us = (iv.days * 86400 + iv.seconds) * 1000000 + iv.microseconds
      input[#input + 1] = ("%s %d"):format(d:iso(), us)
      expected[#expected + 1] = ("%s %s %d %d %d %d %d"):format(d:iso(), tostring(d), d.weekday,
        d.yday, iv.days, iv.seconds, iv.microseconds)
    end
    local lines = python.run([[
import sys
from datetime import datetime, timedelta
for line in sys.stdin:
    text, us = line.split()
    d, iv = datetime.fromisoformat(text), timedelta(microseconds=int(us))
    print(d.isoformat(), d, d.weekday(), d.timetuple().tm_yday, iv.days, iv.seconds,
          iv.microseconds)
]], table.concat(input, "\n") .. "\n")
    assert.same(expected, lines)
  end)
end)
