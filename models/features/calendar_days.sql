-- Fixed days and not those of the data, so that the table is the same in every build.
select unnest(generate_series(date '2000-01-01', date '2049-12-31', interval 1 day))::date as calendar_day
