-- Text.
local text = {}

function text.line(name, number)
  return ("%s: %.2f -- no \"function\" here"):format(name, number)
end

return text
