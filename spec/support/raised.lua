-- SPDX-License-Identifier: MIT
-- raised(fn, ...): the error that a call raises, which must be an error object. With a class
-- name first, raised("IntegrityError", fn, ...), it must be of that class, or of one below.

local function check(class, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then error("nothing was raised", 3) end
  if type(err) == "string" or err.name == nil then
    error("not an error object: " .. tostring(err), 3)
  end
  if class and not err:is(class) then
    error(("a %s was expected, got %s"):format(class, tostring(err)), 3)
  end
  return err
end

return function(class, fn, ...)
  if type(class) ~= "string" then return check(nil, class, fn, ...) end
  return check(class, fn, ...)
end
