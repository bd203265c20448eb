select
    -- ids
    name,
    format,

    -- text
    kind,
    lane,
    scope,
    title,
    description,
    status,
    reason,
    path,
    sha256
from {{ ref('drawn_pictures') }}
order by name, format
