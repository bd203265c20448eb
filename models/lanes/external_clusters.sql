{{ lane_clusters('external') }}
